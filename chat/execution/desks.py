"""Where a worker takes waiting replies: of each back end as many at once as it draws together."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Collection

from django.conf import settings
from django.db import DatabaseError, connection

from chat import lifecycle
from chat.backends import backend_for, close_backends
from chat.execution.answering import Answering
from chat.execution.specs import waiting_reply
from chat.execution.writer import ReplyWriter
from common.errors import UnavailableError
from engine.errors import EngineDiedError
from modelhub.chat_servers import ENGINE, remote_backend_names
from modelhub.execution import engine, is_draining
from modelhub.registration import may_claim

logger = logging.getLogger(__name__)

SLOTS = {"cpu": 32, "cuda": 128, "mps": 32}
"""Answers that the engine decodes at once on each kind of device (engine.inference.limits)."""


class Desk(threading.Thread):
    """Claims replies whenever it is woken, and hands them to their back ends and to the writer.

    Args:
        worker_name: written on the replies it claims.
    """

    def __init__(self, worker_name: str) -> None:
        super().__init__(name="chat-desk", daemon=True)
        self._worker_name = worker_name
        self._writer = ReplyWriter(on_ended=self._note_ended)
        self._changed = threading.Condition()
        self._under_way: Counter[str] = Counter()
        self._is_woken = self._is_busy = self._is_stopping = False

    def start(self) -> None:
        self._writer.start()
        super().start()

    def wake(self) -> None:
        """Replies wait, or may. From any thread; returns at once."""
        with self._changed:
            self._is_woken = True
            self._changed.notify_all()

    @property
    def under_way_count(self) -> int:
        """Replies that it holds the leases of."""
        return self._under_way.total()

    @property
    def has_trouble(self) -> bool:
        """Whether the last write did not come through, and is to be tried again."""
        return self._writer.has_trouble

    def wait_idle(self, timeout_seconds: float) -> bool:
        """Whether nothing is under way and nothing more to claim, within that time."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not (self._is_woken or self._is_busy or self.under_way_count),
                timeout_seconds,
            )

    def close(self, timeout_seconds: float) -> None:
        """Claim nothing more, let the replies under way be written as given up, and end both threads."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        self._writer.stop()
        self.join(timeout_seconds)
        self._writer.join(timeout_seconds)
        close_backends()

    def run(self) -> None:
        while self._wait_woken():
            try:
                while self._claim():
                    pass
            except DatabaseError as error:
                # The patrol wakes it again within seconds.
                logger.warning("waiting replies not looked at: %s", error)
            except Exception:
                logger.exception("waiting replies not looked at")
            finally:
                connection.close()
                with self._changed:
                    self._is_busy = False
                    self._changed.notify_all()

    def _wait_woken(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._is_woken or self._is_stopping)
            self._is_woken, self._is_busy = False, not self._is_stopping
            return not self._is_stopping

    def _claim(self) -> bool:
        """Take what there are places for; whether that was anything."""
        free = {name: max(0, most - self._under_way[name]) for name, most in places().items()}
        count = sum(free.values())
        if not count or self._is_stopping or is_draining() or not may_claim():
            return False
        leases = lifecycle.claim_next(count, self._worker_name, free)
        answers = [Answering(lease) for lease in leases]
        with self._changed:
            self._under_way.update(lease.backend for lease in leases)
        # Before they are begun: an adapter that comes slowly from storage must not cost a lease.
        self._writer.add(answers)
        for answer in answers:
            self._begin(answer)
        return bool(answers)

    def _begin(self, answer: Answering) -> None:
        lease = answer.lease
        try:
            reply = waiting_reply(lease.reply_id)
            answer.begin(backend_for(reply).submit(reply, f"{lease.reply_id}-{lease.token}"))
        except UnavailableError:
            answer.fail("unsupported_model")
        except FileNotFoundError:
            logger.exception("reply=%s adapter files missing", lease.reply_id)
            answer.fail("adapter_unusable")
        except EngineDiedError:
            logger.exception("reply=%s no engine", lease.reply_id)
            answer.fail(EngineDiedError.code)
        except Exception:
            logger.exception("reply=%s failed", lease.reply_id)
            answer.fail("internal")

    def _note_ended(self, answers: Collection[Answering]) -> None:
        """Places are free again, and perhaps somebody waits for one."""
        with self._changed:
            self._under_way.subtract(answer.lease.backend for answer in answers)
            self._is_woken = True
            self._changed.notify_all()


def places() -> dict[str, int]:
    """Replies that this worker has under way at most, by back end: a slow server takes no place from the engine."""
    remote = dict.fromkeys(remote_backend_names(), settings.CHAT_SERVER_SLOTS)
    return {ENGINE: slots(), **remote}


def slots() -> int:
    """Replies that this worker's engine has under way at most."""
    ready = engine().ready
    device = ready["device"] if ready is not None else "cpu"
    return settings.CHAT_SLOTS or SLOTS.get(device, SLOTS["cpu"])
