"""Texts that end an answer: what may become one is held back, and the stop text itself is never told."""

from __future__ import annotations

from collections.abc import Sequence


class StopTexts:
    """Feed pieces of an answer, get what may be told.

    Attributes:
        is_met: whether a stop text has come; nothing is told after it.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self.is_met = False

    def push(self, text: str) -> str:
        """The text that can not become a stop text any more, perhaps none."""
        if self.is_met:
            return ""
        if not self._stops:
            return text
        self._held += text
        places = [place for place in map(self._held.find, self._stops) if place >= 0]
        if places:
            self.is_met = True
            told, self._held = self._held[: min(places)], ""
            return told
        kept = max(self._overlap(stop) for stop in self._stops)
        told, self._held = (
            self._held[: len(self._held) - kept],
            self._held[len(self._held) - kept :],
        )
        return told

    def rest(self) -> str:
        """What is still held back, at the end of the answer."""
        told, self._held = self._held, ""
        return told

    def _overlap(self, stop: str) -> int:
        """Length of the longest end of the held text that begins the stop text."""
        for length in range(min(len(stop) - 1, len(self._held)), 0, -1):
            if self._held.endswith(stop[:length]):
                return length
        return 0
