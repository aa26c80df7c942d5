"""Check the file of an import and make a dataset of it; run by workers, and at once where the file is small."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import cast
from uuid import UUID

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from common.errors import DomainError, UnavailableError
from common.storage import delete_prefix, fetch_file, save_file
from datasets_app.checking import WORKER_SECONDS, CheckFailedError, check_file, limits
from datasets_app.hub import HubError, fetch_rows
from datasets_app.intake.mapping import ColumnMapping
from datasets_app.intake.outcome import Outcome
from datasets_app.intake.pipeline import Order
from datasets_app.lifecycle import scratch_file, store_import
from datasets_app.models import Dataset, DatasetImport
from datasets_app.quotas import check_quota
from datasets_app.selectors import remembered_mappings
from datasets_app.storing import import_prefix
from engine.data.records import DatasetType

logger = logging.getLogger(__name__)

HEARTBEAT = timedelta(seconds=30)
"""A worker reports every second; this long without a word means that it is gone."""

POKE_GRACE = timedelta(seconds=3)
KEPT_DAYS = 7
MAX_ATTEMPTS = 3
_PROGRESS_SECONDS = 1.0


class DiscardedError(Exception):
    """The import was deleted while its file was read, or somebody else was faster."""


def run_import(import_id: str | UUID) -> None:
    """Claim an import that waits, and check it. A second call for the same import does nothing."""
    if not _claim(import_id):
        return
    order = DatasetImport.objects.select_related("owner", "target").get(pk=import_id)
    try:
        report = _reporter(order)
        if order.hub_source and not order.raw_file:
            _fetch(order, report)
        process(order, seconds=WORKER_SECONDS, on_progress=report)
    except DiscardedError:
        delete_prefix(import_prefix(order.pk))
    except DomainError as error:
        fail(order, error)


def process(
    order: DatasetImport, *, seconds: int, on_progress: Callable[[int, int], None]
) -> Dataset | None:
    """Check the file as the person decided: the dataset, or None and a report where a decision is still open.

    Raises:
        CheckFailedError: it took more time or memory than is allowed.
        UnavailableError: the upload is missing.
        ConflictError: the dataset that it is a version of was changed in the meantime.
        DiscardedError: the import was deleted, or became a dataset elsewhere.
        DiskFullError: no room for the dataset.
        TooLargeError: the owner's space is used up.
    """
    request = Order(
        limits(),
        dataset_type=cast("DatasetType | None", order.type or None),
        mapping=ColumnMapping.from_dict(order.mapping),
        remembered=remembered_mappings(order.owner),
        file_name=order.source_name,
    )
    with _raw_file(order) as path, scratch_file() as draft:
        outcome = check_file(path, draft, request, seconds=seconds, on_progress=on_progress)
        if not (outcome.is_clean or (order.skips_rejected and outcome.can_skip)):
            _open(order, outcome)
            return None
        # The upload goes as soon as the dataset stands, so it does not count twice.
        check_quota(order.owner, draft.stat().st_size - order.size_bytes)
        return _finish(order, outcome, draft)


def _fetch(order: DatasetImport, report: Callable[[int, int], None]) -> None:
    """Bring the rows from the Hub; from then on the import is like that of an uploaded file."""
    with scratch_file() as path:
        fetch_rows(order.hub_source, path, lambda rows: report(0, rows))
        order.size_bytes = path.stat().st_size
        check_quota(order.owner, order.size_bytes)
        name = f"{import_prefix(order.pk)}/raw"
        save_file(name, path)
    order.raw_file = name
    order.save(update_fields=["raw_file", "size_bytes"])


def _finish(order: DatasetImport, outcome: Outcome, draft: Path) -> Dataset:
    def mark_done(dataset: Dataset) -> None:
        waiting = DatasetImport.objects.filter(pk=order.pk, state=DatasetImport.State.CHECKING)
        if not waiting.update(state=DatasetImport.State.DONE, result=dataset, report={}):
            raise DiscardedError
        transaction.on_commit(lambda: delete_prefix(import_prefix(order.pk)), robust=True)

    return store_import(order, outcome, draft, also=mark_done)


def waiting_imports() -> list[UUID]:
    """Imports that wait longer than a poke takes and that no worker works on, oldest first."""
    now = timezone.now()
    waiting = DatasetImport.objects.filter(
        _is_unclaimed(now - HEARTBEAT),
        state=DatasetImport.State.CHECKING,
        created_at__lt=now - POKE_GRACE,
    )
    return list(waiting.order_by("created_at").values_list("pk", flat=True)[:2])


def sweep_imports() -> None:
    """Forget imports that nobody decided on for a week, and what is left of finished ones."""
    old = timezone.now() - timedelta(days=KEPT_DAYS)
    for order in DatasetImport.objects.filter(created_at__lt=old).exclude(
        state=DatasetImport.State.CHECKING
    ):
        prefix = import_prefix(order.pk)
        order.delete()
        delete_prefix(prefix)


def _claim(import_id: str | UUID) -> bool:
    now = timezone.now()
    waiting = DatasetImport.objects.filter(
        _is_unclaimed(now - HEARTBEAT), pk=import_id, state=DatasetImport.State.CHECKING
    )
    if waiting.filter(attempts__gte=MAX_ATTEMPTS).update(
        state=DatasetImport.State.FAILED, error={"code": "attempts"}
    ):
        return False
    return bool(waiting.update(heartbeat_at=now, attempts=F("attempts") + 1))


def _is_unclaimed(quiet: object) -> Q:
    return Q(heartbeat_at=None) | Q(heartbeat_at__lt=quiet)


def _reporter(order: DatasetImport) -> Callable[[int, int], None]:
    last = time.monotonic()

    def report(packed_bytes: int, rows: int) -> None:
        nonlocal last
        if time.monotonic() - last < _PROGRESS_SECONDS:
            return
        last = time.monotonic()
        is_there = DatasetImport.objects.filter(pk=order.pk).update(
            done_bytes=packed_bytes, done_rows=rows, heartbeat_at=timezone.now()
        )
        if not is_there:
            raise DiscardedError

    return report


def _open(order: DatasetImport, outcome: Outcome) -> None:
    order.state = DatasetImport.State.OPEN
    order.report = outcome.as_dict()
    order.error = {}
    order.save(update_fields=["state", "report", "error"])


def fail(order: DatasetImport, error: DomainError) -> None:
    """Put down why the file of an import could not become a dataset."""
    has_reason = isinstance(error, CheckFailedError | HubError)
    reason = error.params.get("reason") if has_reason else ""
    # The sentence of another failure is kept as it was said: its reader is its only cause.
    order.error = {"code": error.code, "reason": reason, "message": str(error.message)}
    order.state = DatasetImport.State.FAILED
    order.save(update_fields=["state", "error"])
    logger.warning("import %s failed: %s", order.pk, error.code)


@contextmanager
def _raw_file(order: DatasetImport) -> Iterator[Path]:
    """The upload on this disk; where storage is elsewhere, a copy that is gone afterwards."""
    if not default_storage.exists(order.raw_file):
        raise UnavailableError(_("The uploaded file is missing on the server. Upload it again."))
    try:
        local = Path(default_storage.path(order.raw_file))
    except NotImplementedError:
        with scratch_file() as copy:
            fetch_file(order.raw_file, copy)
            yield copy
    else:
        yield local
