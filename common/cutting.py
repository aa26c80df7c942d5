"""A switch that any thread can throw to end another thread's request."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class CutOff:
    """Holds the socket of the request under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._is_cut = False

    @property
    def is_cut(self) -> bool:
        return self._is_cut

    def hold(self, connected: socket.socket) -> bool:
        """Let the switch end what goes over this socket; False when it was thrown already."""
        with self._lock:
            if not self._is_cut:
                self._socket = connected
            return not self._is_cut

    def release(self) -> None:
        """The request is over."""
        with self._lock:
            self._socket = None

    def cut(self) -> None:
        """End the request under way, and let no other begin. Returns at once."""
        with self._lock:
            self._is_cut = True
            if self._socket is not None:
                # Closing it would wake nobody who waits for its bytes. The method of TLS sockets would take its state
                # from under the reader's feet.
                with suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
