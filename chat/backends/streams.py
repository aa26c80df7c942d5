"""Answers that other servers draw: each is followed by a thread of its own, and told as the engine tells of its own."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator

from chat.backends.base import Event, Stream
from chat.backends.calls import ServerCall
from chat.backends.failures import BROKE_OFF, BUSY, ServerError, failed_event
from engine.protocol import TERMINAL_TYPES

logger = logging.getLogger(__name__)

MOST_THREADS = 256
"""Of one back end. The desk begins far fewer at once; the others are those that were cancelled while they connect."""

Follow = Callable[[ServerCall], Iterator[Event]]
"""Gives an answer's events, the last of them terminal, or raises ServerError."""


class EndedStream:
    """An answer that ended before it began."""

    def __init__(self, end: Event) -> None:
        self._end: Event | None = end

    def next(self, timeout: float | None) -> Event | None:
        end, self._end = self._end, None
        return end

    def cancel(self) -> None:
        """It has ended already."""


class RemoteStream:
    """An answer under way.

    Args:
        server: named in its failures.
        follow: called in the stream's thread.
        call: cut when it is cancelled.
        on_over: told when its thread ends.
    """

    def __init__(
        self,
        server: str,
        work_id: str,
        *,
        follow: Follow,
        call: ServerCall,
        on_over: Callable[[RemoteStream], None],
    ) -> None:
        self._server = server
        self._work_id = work_id
        self._follow = follow
        self._call = call
        self._on_over = on_over
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name=f"chat-{server}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def next(self, timeout: float | None) -> Event | None:
        try:
            return self._events.get(block=timeout != 0, timeout=timeout or None)
        except queue.Empty:
            return None

    def cancel(self) -> None:
        self._tell({"type": "cancelled"})
        self._call.cut()

    def join(self, timeout_seconds: float) -> None:
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        try:
            for event in self._follow(self._call):
                self._tell(event)
            self._tell(self._failed(ServerError(BROKE_OFF, "the answer has no end")))
        except ServerError as error:
            self._tell(self._failed(error))
        except Exception:
            logger.exception("work=%s %s: answer not followed", self._work_id, self._server)
            self._tell(failed_event("internal"))
        finally:
            self._on_over(self)

    def _failed(self, error: ServerError) -> Event:
        params = {"server": self._server, **error.params}
        return failed_event(error.code, self._call.told(error.detail), **params)

    def _tell(self, event: Event) -> None:
        """Once it is over nothing more is told: whoever cancels it is answered at once, whatever still comes."""
        with self._lock:
            if self._is_over:
                return
            self._is_over = event["type"] in TERMINAL_TYPES
            self._events.put({**event, "work_id": self._work_id})


class RemoteBackend:
    """What the back ends of other servers have in common.

    Attributes:
        name: of the back end, in timings and routes.
        server: named in failures.
    """

    def __init__(self, name: str, server: str = "") -> None:
        self.name = name
        self.server = server or name
        self._lock = threading.Lock()
        self._open: set[RemoteStream] = set()

    def begin(self, work_id: str, follow: Follow, call: ServerCall) -> Stream:
        """Follow an answer in a thread of its own."""
        stream = RemoteStream(
            self.server, work_id, follow=follow, call=call, on_over=self._note_over
        )
        with self._lock:
            if len(self._open) >= MOST_THREADS:
                return EndedStream(self.failed(BUSY))
            self._open.add(stream)
        stream.start()
        return stream

    def failed(self, code: str, detail: str = "") -> Event:
        """The end of an answer that can not be asked for."""
        return failed_event(code, detail, server=self.server)

    def close(self) -> None:
        with self._lock:
            streams = list(self._open)
        for stream in streams:
            stream.cancel()

    def _note_over(self, stream: RemoteStream) -> None:
        with self._lock:
            self._open.discard(stream)
