"""One reply that this worker answers, and what came of it that is not in its row yet."""

from __future__ import annotations

import threading
import time

from chat.backends.base import Event, Stream
from chat.lifecycle import Lease, Piece

HEARTBEAT_SECONDS = 1.0
"""A reply without new text renews its lease this often."""


class Answering:
    """From the claim to the last write.

    The desk's thread begins or refuses it; everything else is done by the writer's thread.

    Attributes:
        written: characters in the row.
        text: what comes next there.
        end: the back end's last event, once there is one.
        logprobs: of all tokens so far, where they were asked for.
        is_stop_asked: whether its reader wants no more.
    """

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.written = 0
        self.text = ""
        self.end: Event | None = None
        self.logprobs: list[Event] = []
        self.is_stop_asked = False
        self._renewed_at = time.monotonic()
        self._lock = threading.Lock()
        self._stream: Stream | None = None
        self._is_cancelled = False

    def begin(self, stream: Stream) -> None:
        """Its back end has it; what was said meanwhile is told now."""
        with self._lock:
            self._stream = stream
            is_cancelled = self._is_cancelled
        if is_cancelled:
            stream.cancel()

    def fail(self, code: str) -> None:
        """It ends without the back end having a say."""
        self.end = {"type": "failed", "code": code, "params": {}, "detail": ""}

    def cancel(self) -> None:
        """Ask its back end, once, to end it."""
        with self._lock:
            stream, is_first = self._stream, not self._is_cancelled
            self._is_cancelled = True
        if stream is not None and is_first:
            stream.cancel()

    def take_events(self) -> None:
        """Take what its back end has told by now."""
        stream = self._stream
        while stream is not None and self.end is None:
            event = stream.next(timeout=0)
            if event is None:
                return
            if event["type"] == "text":
                # PostgreSQL stores no NUL; a model may still draw one.
                self.text += event["text"].replace("\x00", "")
                self.logprobs += event.get("logprobs", ())
            elif event["type"] != "waiting":
                self.end = event

    @property
    def is_urgent(self) -> bool:
        """Whether somebody sees the difference between now and a moment later: at the first words and at the end."""
        return self.end is not None or (bool(self.text) and not self.written)

    @property
    def is_renewal_due(self) -> bool:
        return time.monotonic() - self._renewed_at >= HEARTBEAT_SECONDS

    def piece(self) -> Piece:
        return Piece(self.lease, self.written, self.text)

    def note_written(self) -> None:
        """The text is in the row and the lease renewed."""
        self.written += len(self.text)
        self.text = ""
        self.note_renewed()

    def note_renewed(self) -> None:
        self._renewed_at = time.monotonic()

    def note_stored(self, length: int) -> None:
        """After a commit of unknown outcome: the row has so many characters."""
        self.text = self.text[max(0, length - self.written) :]
        self.written = max(self.written, length)
