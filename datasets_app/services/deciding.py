"""What a person decides about a file that could not become a dataset as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from common.errors import ConflictError, DomainError, InvalidInputError
from common.poke import poke_on_commit
from common.storage import check_free_space, delete_prefix
from datasets_app.checking import REQUEST_SECONDS
from datasets_app.execution import DiscardedError, fail, process
from datasets_app.intake.mapping import ColumnMapping, signature
from datasets_app.intake.outcome import Outcome
from datasets_app.intake.pipeline import no_progress
from datasets_app.models import ColumnMapping as SavedMapping
from datasets_app.models import Dataset, DatasetImport
from datasets_app.selectors import get_import
from datasets_app.storing import import_prefix
from datasets_app.tasks import run_import
from datasets_app.wording.sentences import import_is_decided, other_type_than_target


def decide(
    order: DatasetImport, *, mapping: ColumnMapping | None, skips_rejected: bool
) -> Dataset | DatasetImport:
    """Check the file again with the columns that were chosen, and leave out rows with faults when that was chosen.

    Returns:
        The dataset, or the import: with a new report, or on its way to a worker.

    Raises:
        ConflictError: it is a dataset already, or being checked.
        InvalidInputError: the columns make examples of another type than those of the dataset that it is a version of.
        NotFoundError: it was discarded in the meantime.
        UnavailableError: the upload is missing.
        TooLargeError: the owner's space is used up.
        DiskFullError: no room for it.
    """
    check_free_space()
    if mapping and order.target and mapping.dataset_type != order.target.type:
        raise InvalidInputError(other_type_than_target(order.target))
    report = Outcome.from_dict(order.report) if order.report else None
    # What was too long for one request is so again; what is not here yet, a worker brings.
    is_quick = (
        order.size_bytes <= settings.REQUEST_CHECK_BYTES
        and bool(order.raw_file)
        and not (report and report.is_partial)
    )
    _begin(order, mapping, skips_rejected=skips_rejected, is_quick=is_quick)
    if mapping and report:
        remember(order.owner, report.columns, mapping)
    if not is_quick:
        return order
    try:
        return process(order, seconds=REQUEST_SECONDS, on_progress=no_progress) or order
    except DiscardedError:
        # A second click was faster, or threw the file away.
        return get_import(order.owner, order.pk).result or order
    except DomainError as error:
        fail(order, error)
        raise


def _begin(
    order: DatasetImport, mapping: ColumnMapping | None, *, skips_rejected: bool, is_quick: bool
) -> None:
    """Put the decision down, if nobody else works on the import."""
    changes: dict[str, Any] = {
        "state": DatasetImport.State.CHECKING,
        "skips_rejected": skips_rejected,
        # A heartbeat keeps workers away from what this request reads itself.
        "heartbeat_at": timezone.now() if is_quick else None,
        "attempts": 0,
        "error": {},
        "done_bytes": 0,
        "done_rows": 0,
    }
    if mapping:
        changes |= {"mapping": mapping.as_dict(), "type": ""}
    undecided = (DatasetImport.State.OPEN, DatasetImport.State.FAILED)
    with transaction.atomic():
        waiting = DatasetImport.objects.filter(pk=order.pk, state__in=undecided)
        if not waiting.update(**changes):
            raise ConflictError(import_is_decided())
        if not is_quick:
            poke_on_commit(run_import, str(order.pk))
    for name, value in changes.items():
        setattr(order, name, value)


def remember(owner: User, columns: Sequence[str], mapping: ColumnMapping) -> None:
    """The next file of this person with the same columns is read in the same way."""
    SavedMapping.objects.update_or_create(
        owner=owner, signature=signature(columns), defaults={"mapping": mapping.as_dict()}
    )


def discard(order: DatasetImport) -> None:
    """Delete an import and its upload; a dataset that came of it stays."""
    prefix = import_prefix(order.pk)
    with transaction.atomic():
        order.delete()
        transaction.on_commit(lambda: delete_prefix(prefix), robust=True)
