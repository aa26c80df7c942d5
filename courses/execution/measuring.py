"""Measure jobs on hidden questions, one after another; run by workers."""

from __future__ import annotations

import logging
import math
import threading
import time
import traceback

from django.db import DatabaseError

from chat.prompt_sets.statistics import difference_of
from common.errors import UnavailableError
from courses.execution.scoring import Losses, ScoringError, score
from courses.execution.verifying import verify_person
from courses.hidden_questions import hidden_digest, hidden_questions
from courses.lifecycle import measuring
from courses.lifecycle.measuring import MeasurementLease, MeasurementLostError
from courses.models import HiddenMeasurement
from courses.selectors.content import content_of
from engine.errors import EngineDiedError
from modelhub.execution import is_draining
from modelhub.registration import may_claim

logger = logging.getLogger(__name__)

RENEWAL_SECONDS = 1.0
_one_at_a_time = threading.Lock()


class _DrainingError(Exception):
    """The worker is asked to stop."""


def measure_waiting() -> None:
    """Until none waits; at once where this worker is at one already. From any thread."""
    if not _one_at_a_time.acquire(blocking=False):
        return
    try:
        while may_claim() and not is_draining() and (lease := measuring.claim_next()) is not None:
            _measure(lease)
    finally:
        _one_at_a_time.release()


def _measure(lease: MeasurementLease) -> None:
    holder = _Holder(lease)
    try:
        user_id = _measure_held(holder)
    except MeasurementLostError:
        logger.warning("measurement=%s lost, result discarded", lease.measurement_id)
    except _DrainingError:
        measuring.give_back(holder.lease)
    except (ScoringError, EngineDiedError) as error:
        logger.warning("measurement=%s failed: %s", lease.measurement_id, error.code)
        measuring.fail(holder.lease, error.code, error.params)
    except UnavailableError:
        measuring.fail(holder.lease, "unsupported_model")
    except FileNotFoundError:
        measuring.fail(holder.lease, "adapter_unusable")
    except DatabaseError:
        # Nothing can be written now: it is taken again once its worker was silent for long enough.
        raise
    except Exception as error:  # noqa: BLE001 - it is told, only without its message
        # Without the message: it may quote what was at hand, and that is a hidden question.
        places = "".join(traceback.format_tb(error.__traceback__))
        logger.error(
            "measurement=%s failed: %s\n%s", lease.measurement_id, type(error).__name__, places
        )
        measuring.fail(holder.lease, "internal")
    else:
        verify_person(user_id)


def _measure_held(holder: _Holder) -> int:
    """Returns whose measurement it is."""
    measurement_id = holder.lease.measurement_id
    rows = HiddenMeasurement.objects.select_related("enrolment", "job__adapter", "job__base_model")
    row = rows.filter(pk=measurement_id).first()
    if row is None:
        raise MeasurementLostError
    adapter = getattr(row.job, "adapter", None)
    if row.job is None or adapter is None or adapter.digest != row.adapter_digest:
        raise FileNotFoundError("the job or its adapter is gone")
    level = content_of(row.enrolment.version_id).about.level
    losses = score(
        row.job,
        hidden_questions(level, row.language),
        name=f"hidden-{row.pk}-{row.attempts}",
        keep_alive=holder.keep_alive,
    )
    # The file may have changed since it was asked for.
    _keep(holder.lease, losses, hidden_digest(level, row.language))
    return row.enrolment.user_id


def _keep(lease: MeasurementLease, losses: list[Losses], digest: str) -> None:
    difference = difference_of([loss.base - loss.tuned for loss in losses])
    if difference is None:
        raise ScoringError("internal", {})
    is_kept = measuring.complete(
        lease,
        tuned_loss=math.fsum(loss.tuned for loss in losses) / len(losses),
        base_loss=math.fsum(loss.base for loss in losses) / len(losses),
        gain_low=difference.estimate.low,
        gain_high=difference.estimate.high,
        digest=digest,
        question_count=len(losses),
    )
    if not is_kept:
        raise MeasurementLostError


class _Holder:
    """Keeps a lease while the engine works."""

    def __init__(self, lease: MeasurementLease) -> None:
        self.lease = lease
        self._renewed_at = time.monotonic()

    def keep_alive(self) -> None:
        """
        Raises:
            MeasurementLostError: somebody else has it.
            _DrainingError: this worker is asked to stop.
        """
        if is_draining():
            raise _DrainingError
        if time.monotonic() - self._renewed_at >= RENEWAL_SECONDS:
            self.lease = measuring.renew(self.lease)
            self._renewed_at = time.monotonic()
