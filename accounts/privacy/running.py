"""Work off what people asked of their data. The row is the truth: a message or a round of the patrol only wakes this.

A request is taken by moving `runs_at`, before which nobody else takes it, into the future.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from accounts.models import DataRequest
from accounts.privacy.erasing import erase_person
from accounts.privacy.exporting import export_person
from accounts.privacy.lease import LEASE
from common.personal_data import StillBusyError

logger = logging.getLogger(__name__)

State = DataRequest.State
RETRY_BUSY = timedelta(minutes=1)
RETRY_FAILED = timedelta(hours=1)
AT_ONCE = 20


def run_due_requests() -> int:
    """Those whose time has come; returns how many were taken."""
    due = DataRequest.objects.filter(state__in=DataRequest.OPEN, runs_at__lte=timezone.now())
    ids = list(due.order_by("runs_at").values_list("pk", flat=True)[:AT_ONCE])
    return sum(run_request(request_id) for request_id in ids)


def run_request(request_id: UUID | str, language: str = "") -> bool:
    """Take a request and go on with it; False where there is nothing to do, or somebody else has it.

    Args:
        language: of an archive whose person has chosen none.
    """
    now = timezone.now()
    due = DataRequest.objects.filter(
        pk=request_id, state__in=DataRequest.OPEN, runs_at__lte=now, person__isnull=False
    )
    if not due.update(state=State.RUNNING, runs_at=now + LEASE):
        _drop_orphan(request_id)
        return False
    request = DataRequest.objects.select_related("person").get(pk=request_id)
    try:
        if request.kind == DataRequest.Kind.EXPORT:
            export_person(request, language)
        else:
            erase_person(request)
    except StillBusyError:
        _later(request, State.WAITING, RETRY_BUSY)
    except Exception:
        logger.exception("request %s about data failed", request.pk)
        _later(request, State.FAILED, RETRY_FAILED)
    return True


def _later(request: DataRequest, state: DataRequest.State, wait: timedelta) -> None:
    held = DataRequest.objects.filter(pk=request.pk, state=State.RUNNING)
    held.update(state=state, runs_at=timezone.now() + wait)


def _drop_orphan(request_id: UUID | str) -> None:
    """Its person was deleted by other ways: nothing is left to do."""
    orphan = DataRequest.objects.filter(
        pk=request_id, person=None, state__in=DataRequest.OPEN, runs_at__lte=timezone.now()
    )
    orphan.update(state=State.CANCELLED, finished_at=timezone.now())
