"""Tests beside each other in several processes, and those that must have the machine to themselves."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where tests run in one process
    fcntl = None  # type: ignore[assignment]


class Turns:
    """Who may run now, among all test processes that share a folder.

    A test that wants to be alone keeps the door while it waits for those inside to end, so that no new ones pass it by.
    The system gives a lock back when its process dies.
    """

    def __init__(self, folder: Path) -> None:
        self._door, self._room = (
            os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o600)
            for name in ("tests.door", "tests.room")
        )

    @contextlib.contextmanager
    def beside_others(self) -> Iterator[None]:
        """Together with any test that does not want to be alone."""
        with self._held(self._door, is_exclusive=True):
            _lock(self._room, is_exclusive=False)
        try:
            yield
        finally:
            _unlock(self._room)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """While no other test runs."""
        with (
            self._held(self._door, is_exclusive=True),
            self._held(self._room, is_exclusive=True),
        ):
            yield

    def close(self) -> None:
        for descriptor in (self._door, self._room):
            os.close(descriptor)

    @contextlib.contextmanager
    def _held(self, descriptor: int, *, is_exclusive: bool) -> Iterator[None]:
        _lock(descriptor, is_exclusive=is_exclusive)
        try:
            yield
        finally:
            _unlock(descriptor)


def _lock(descriptor: int, *, is_exclusive: bool) -> None:
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX if is_exclusive else fcntl.LOCK_SH)


def _unlock(descriptor: int) -> None:
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
