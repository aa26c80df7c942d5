"""What other threads ask of work under way: a reader thread gives the signal, the loop's thread looks. Torch-free."""

from __future__ import annotations

from engine.errors import CancelledError
from engine.protocol import Signal


class Signals:
    """The signals that one piece of work was given. A signal once given stays."""

    def __init__(self) -> None:
        # Adding to and reading from a set of strings is one operation of the interpreter, safe between threads.
        self._given: set[Signal] = set()

    def give(self, signal: Signal) -> None:
        self._given.add(signal)

    def has(self, signal: Signal) -> bool:
        return signal in self._given

    def raise_if_cancelled(self) -> None:
        """
        Raises:
            CancelledError: cancel was given.
        """
        if "cancel" in self._given:
            raise CancelledError
