"""Two texts with what differs between them marked, short enough to read side by side."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

PAIRS_PER_TEXT = 250_000
PAIRS_PER_PAGE = 5_000_000
"""Matching costs as much as the pieces of both texts multiplied; a page that has used this up marks coarsely."""
MIN_ISLAND = 3
MAX_SAME_CHARACTERS = 320
KEPT_CHARACTERS = 120
MAX_CHANGED_CHARACTERS = 1500

# Words of scripts that part words by spaces stay whole; kana, kanji and everything else is matched by character.
_PIECE = re.compile("[^\\W\u3005-\u30ff\u31f0-\u9fff\uf900-\ufaff\uff66-\uff9f]+|.", re.DOTALL)

PartKind = Literal["same", "changed"]


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a text; changed means that the other text does not have it there."""

    text: str
    kind: PartKind = "same"


Parts = list[Part]


class Marker:
    """Marks the texts of one page."""

    def __init__(self) -> None:
        self._pairs_left = PAIRS_PER_PAGE

    def mark(self, old: str, new: str) -> tuple[Parts, Parts]:
        """Both texts in parts."""
        if old == new:
            return shortened([Part(old)]), shortened([Part(new)])
        start = _common_start(old, new)
        end = _common_end(old[start:], new[start:])
        old_middle = old[start : len(old) - end]
        new_middle = new[start : len(new) - end]
        old_parts, new_parts = self._match(old_middle, new_middle)
        before, after = Part(old[:start]), Part(old[len(old) - end :])
        return (
            shortened([before, *old_parts, after]),
            shortened([before, *new_parts, after]),
        )

    def _match(self, old: str, new: str) -> tuple[Parts, Parts]:
        old_pieces, new_pieces = _PIECE.findall(old), _PIECE.findall(new)
        pairs = len(old_pieces) * len(new_pieces)
        if pairs > min(PAIRS_PER_TEXT, self._pairs_left):
            return [Part(old, "changed")], [Part(new, "changed")]
        self._pairs_left -= pairs
        return _matched(old_pieces, new_pieces)


def shortened(parts: Parts) -> Parts:
    """The parts without empty ones, and without the middle of those that are too long to read."""
    return [Part(_short(part), part.kind) for part in parts if part.text]


def _short(part: Part) -> str:
    text = part.text
    if part.kind == "changed":
        limit = MAX_CHANGED_CHARACTERS
        return text if len(text) <= limit else f"{text[:limit]} …"
    if len(text) <= MAX_SAME_CHARACTERS:
        return text
    return f"{text[:KEPT_CHARACTERS]} … {text[-KEPT_CHARACTERS:]}"


def _matched(old: list[str], new: list[str]) -> tuple[Parts, Parts]:
    old_parts: Parts = []
    new_parts: Parts = []
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for tag, old_start, old_end, new_start, new_end in matcher.get_opcodes():
        old_text = "".join(old[old_start:old_end])
        new_text = "".join(new[new_start:new_end])
        # A letter or two that happen to be the same in a rewritten sentence would only make it hard to read.
        is_same = tag == "equal" and len(old_text) >= MIN_ISLAND
        _append(old_parts, old_text, is_same=is_same)
        _append(new_parts, new_text, is_same=is_same)
    return old_parts, new_parts


def _append(parts: Parts, text: str, *, is_same: bool) -> None:
    kind: PartKind = "same" if is_same else "changed"
    if parts and parts[-1].kind == kind:
        text = parts.pop().text + text
    parts.append(Part(text, kind))


def _common_start(one: str, other: str) -> int:
    limit = min(len(one), len(other))
    return next((place for place in range(limit) if one[place] != other[place]), limit)


def _common_end(one: str, other: str) -> int:
    return _common_start(one[::-1], other[::-1])
