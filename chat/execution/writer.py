"""The one thread of a worker that writes all its replies: one transaction for however many stream."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable

from django.conf import settings
from django.db import (
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
    transaction,
)

from chat import lifecycle
from chat.execution.answering import Answering
from chat.lifecycle import LeaseLostError, Standing
from modelhub.execution import is_draining

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.02
"""Between two looks at what the engine told: cheaper than a wake-up for each token of thirty replies."""
FEW_REPLIES = 8
"""So many are written at the shortest interval; thirty and more at the longest."""
RETRY_SECONDS = 0.5


class ReplyWriter(threading.Thread):
    """Writes text, ends and leases of the replies under way, and hears which of them shall stop.

    Args:
        on_ended: told which replies have ended.

    Attributes:
        has_trouble: whether the last write may or may not have come through.
    """

    def __init__(self, on_ended: Callable[[Collection[Answering]], None]) -> None:
        super().__init__(name="chat-writer", daemon=True)
        self._on_ended = on_ended
        self._changed = threading.Condition()
        self._new: list[Answering] = []
        self._answers: list[Answering] = []
        self._is_stopping = False
        self.has_trouble = False
        self._due_at = 0.0

    def add(self, answers: Iterable[Answering]) -> None:
        """Hold the leases of these from now on, and write what comes."""
        with self._changed:
            self._new += answers
            self._changed.notify()

    def stop(self) -> None:
        """Give back what is under way, then end."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()

    def run(self) -> None:
        while self._take_new():
            try:
                self._turn()
            except (OperationalError, InterfaceError) as error:
                # Nothing is lost: what is not known to be written is tried again.
                logger.warning("%d replies not written: %s", len(self._answers), error)
                self._put_off()
            except Exception:
                # The writer outlives every failure of a turn: without it nobody's reply would ever end.
                logger.exception("%d replies not written", len(self._answers))
                self._put_off()
        connection.close()

    def _put_off(self) -> None:
        self.has_trouble = True
        self._due_at = time.monotonic() + RETRY_SECONDS

    def _take_new(self) -> bool:
        """Wait for the next look; False when there is nothing left to do for ever."""
        with self._changed:
            if not (self._answers or self._new or self._is_stopping):
                # It may be idle for hours, and holds no database connection meanwhile.
                connection.close()
                self._changed.wait_for(lambda: self._new or self._is_stopping)
            elif not self._new:
                self._changed.wait(TICK_SECONDS)
            self._answers += self._new
            self._new = []
            return bool(self._answers) or not self._is_stopping

    def _turn(self) -> None:
        is_leaving = self._is_stopping or is_draining()
        for answer in self._answers:
            answer.take_events()
            if is_leaving:
                answer.cancel()
        due = self._due()
        if not due:
            return
        close_old_connections()
        if self.has_trouble:
            self._settle()
        try:
            self._flush(due)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            logger.exception("one of %d replies can not be written", len(due))
            self._flush_apart(due)

    def _due(self) -> list[Answering]:
        """All of them when it is time; first words and ends in between, which then hold up nobody else's."""
        now = time.monotonic()
        if now >= self._due_at:
            self._due_at = now + flush_interval_seconds(len(self._answers))
            return list(self._answers)
        if self.has_trouble:
            return []
        return [answer for answer in self._answers if answer.is_urgent]

    def _settle(self) -> None:
        """Drop what did get into the rows although nobody said so."""
        lengths = lifecycle.stored_lengths(answer.lease for answer in self._answers)
        for answer in self._answers:
            answer.note_stored(lengths.get(answer.lease.reply_id, 0))
        self.has_trouble = False

    def _flush_apart(self, answers: list[Answering]) -> None:
        """Each reply by itself: the one that can not be written fails, and the others go on."""
        for answer in answers:
            try:
                self._flush([answer])
            except (OperationalError, InterfaceError):
                raise
            except Exception:
                logger.exception("reply=%s can not be written", answer.lease.reply_id)
                self._give_up(answer)

    def _give_up(self, answer: Answering) -> None:
        answer.cancel()
        answer.text = ""
        answer.fail("internal")
        try:
            self._flush([answer])
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            # Nobody renews its lease any more, so the patrol will end it.
            logger.exception("reply=%s can not be failed", answer.lease.reply_id)
            self._remove({answer})

    def _flush(self, answers: list[Answering]) -> None:
        """Write what these have, and act on what the rows say."""
        writing = [answer for answer in answers if answer.text]
        quiet = [answer for answer in answers if not answer.text and answer.is_renewal_due]
        ending = [answer for answer in answers if answer.end is not None]
        leases = [answer.lease for answer in answers]
        if writing or quiet or ending:
            with transaction.atomic():
                lifecycle.write(
                    [answer.piece() for answer in writing], [answer.lease for answer in quiet]
                )
                standing = lifecycle.look(leases)
                self._hear(answers, standing)
                for answer in ending:
                    self._end(answer)
        else:
            standing = lifecycle.look(leases)
            self._hear(answers, standing)
        for answer in writing:
            answer.note_written()
        for answer in quiet:
            answer.note_renewed()
        lost = {answer for answer in answers if answer.lease.reply_id in standing.lost}
        for answer in lost - set(ending):
            logger.warning("reply=%s lease lost", answer.lease.reply_id)
            answer.cancel()
        self._remove(lost | set(ending))

    def _hear(self, answers: list[Answering], standing: Standing) -> None:
        for answer in answers:
            if answer.lease.reply_id in standing.asked_to_stop:
                answer.is_stop_asked = True
                answer.cancel()

    def _end(self, answer: Answering) -> None:
        try:
            write_end(answer, is_leaving=self._is_stopping or is_draining())
        except LeaseLostError:
            logger.warning("reply=%s ended elsewhere", answer.lease.reply_id)

    def _remove(self, answers: set[Answering]) -> None:
        self._answers = [answer for answer in self._answers if answer not in answers]
        if answers:
            self._on_ended(answers)


def write_end(answer: Answering, *, is_leaving: bool) -> None:
    """The engine's last event becomes the reply's end.

    Raises:
        LeaseLostError: the reply has ended elsewhere.
    """
    lease, end = answer.lease, answer.end
    assert end is not None
    match end["type"]:
        case "finished":
            lifecycle.complete(
                lease,
                finish_reason=end["finish_reason"],
                usage=end["usage"],
                timings=end["timings"],
                logprobs=answer.logprobs or None,
                loss=end.get("scored_loss"),
            )
        case "failed":
            logger.warning("reply=%s failed: %s %s", lease.reply_id, end["code"], end["detail"])
            lifecycle.fail(lease, end["code"], end["params"])
        case "cancelled" if is_leaving and not answer.is_stop_asked:
            lifecycle.fail(lease, "worker_stopped")
        case "cancelled":
            lifecycle.finish_cancelled(lease)


def flush_interval_seconds(reply_count: int) -> float:
    """Longer the more replies are written, up to where people would see the difference."""
    shortest = settings.REPLY_FLUSH_INTERVAL_SECONDS
    longest = settings.MOST_REPLY_FLUSH_INTERVAL_SECONDS
    return float(min(longest, shortest * max(1.0, reply_count / FEW_REPLIES)))
