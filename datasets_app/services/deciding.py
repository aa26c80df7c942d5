"""What a person decides about a file that could not become a dataset as it is."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.models import User
from common.errors import ConflictError, InvalidInputError
from common.poke import poke_on_commit
from common.storage import check_free_space, delete_prefix
from datasets_app.checking import REQUEST_SECONDS
from datasets_app.execution import process
from datasets_app.intake.mapping import ColumnMapping, signature
from datasets_app.intake.outcome import Outcome
from datasets_app.intake.pipeline import no_progress
from datasets_app.models import ColumnMapping as SavedMapping
from datasets_app.models import Dataset, DatasetImport
from datasets_app.sentences import import_is_done, other_type_than_target
from datasets_app.storing import import_prefix
from datasets_app.tasks import run_import


def decide(
    order: DatasetImport, *, mapping: ColumnMapping | None, skips_rejected: bool
) -> Dataset | DatasetImport:
    """Check the file again with the columns that were chosen, and leave out rows with faults when that was chosen.

    Returns:
        The dataset, or the import: with a new report, or on its way to a worker.

    Raises:
        ConflictError: it is a dataset already.
        InvalidInputError: the columns make examples of another type than those of the dataset that it is a version of.
        TooLargeError: the owner's space is used up.
        DiskFullError: no room for it.
    """
    check_free_space()
    if order.state == DatasetImport.State.DONE:
        raise ConflictError(import_is_done())
    if mapping and order.target and mapping.dataset_type != order.target.type:
        raise InvalidInputError(other_type_than_target(order.target))
    if mapping:
        order.mapping = mapping.as_dict()
        order.type = ""
        remember(order.owner, order, mapping)
    order.skips_rejected = skips_rejected
    order.state = DatasetImport.State.CHECKING
    order.attempts = 0
    order.error = {}
    order.done_bytes = order.done_rows = 0
    if order.size_bytes <= settings.REQUEST_CHECK_BYTES:
        order.save()
        return process(order, seconds=REQUEST_SECONDS, on_progress=no_progress) or order
    order.heartbeat_at = None
    with transaction.atomic():
        order.save()
        poke_on_commit(run_import, str(order.pk))
    return order


def remember(owner: User, order: DatasetImport, mapping: ColumnMapping) -> None:
    """The next file of this person with the same columns is read in the same way."""
    columns: list[Any] = Outcome.from_dict(order.report).columns if order.report else []
    if columns:
        SavedMapping.objects.update_or_create(
            owner=owner, signature=signature(columns), defaults={"mapping": mapping.as_dict()}
        )


def discard(order: DatasetImport) -> None:
    """Delete an import and its upload; a dataset that came of it stays."""
    prefix = import_prefix(order.pk)
    with transaction.atomic():
        order.delete()
        transaction.on_commit(lambda: delete_prefix(prefix), robust=True)
