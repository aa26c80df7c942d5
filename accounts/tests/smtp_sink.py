"""A mail server for tests: speaks just enough SMTP over a real socket, and keeps what it gets."""

from __future__ import annotations

import email
import email.policy
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage


class SmtpSink(socketserver.ThreadingTCPServer):
    """refusals: answers to RCPT or DATA instead of taking a mail, by the verb; connections: how often it was asked."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.mails: list[EmailMessage] = []
        self.refusals: dict[str, str] = {}
        self.connections = 0

    @property
    def port(self) -> int:
        return self.server_address[1]


class _Conversation(socketserver.StreamRequestHandler):
    server: SmtpSink

    def handle(self) -> None:
        self.server.connections += 1
        self._say("220 sink")
        while line := self.rfile.readline():
            verb = line[:4].upper().decode("ascii").strip()
            if verb == "QUIT":
                self._say("221 bye")
                return
            if verb in self.server.refusals:
                self._say(self.server.refusals[verb])
            elif verb == "DATA":
                self._say("354 go on")
                self._take_mail()
            else:
                self._say("250 ok")

    def _take_mail(self) -> None:
        lines = iter(self.rfile.readline, b".\r\n")
        content = b"".join(line.removeprefix(b".") for line in lines)
        mail = email.message_from_bytes(content, policy=email.policy.default)
        self.server.mails.append(mail)
        self._say("250 taken")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def smtp_sink() -> Iterator[SmtpSink]:
    with SmtpSink() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
