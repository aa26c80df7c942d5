"""What answers replies: the one interface of this host's engine and of every server that stands in its place."""

from __future__ import annotations

from typing import Any, Protocol

from chat.models import Reply

Event = dict[str, Any]


class Stream(Protocol):
    """An answer under way. Its events are those of the engine: text, waiting, and a last one that tells the end."""

    def next(self, timeout: float | None) -> Event | None:
        """The next event, or None when none came within `timeout` seconds; at once for 0."""

    def cancel(self) -> None:
        """Ask it to end; from any thread, returns at once. It ends with `cancelled`, unless it had ended already."""


class Backend(Protocol):
    """Where the replies of some base models are drawn."""

    name: str
    """Stands in the timings of its replies."""

    def submit(self, reply: Reply, work_id: str) -> Stream:
        """Begin a reply; returns at once.

        Raises:
            FileNotFoundError: the adapter was deleted, or its files are missing.
            UnavailableError: the base model is not there.
            EngineDiedError: this host's engine can not be started.
        """

    def close(self) -> None:
        """End what is under way without a word."""
