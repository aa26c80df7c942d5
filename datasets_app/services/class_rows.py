"""Rows of a class dataset: members offer them, those who lead the cohort review them and save versions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import Membership, User
from common.errors import ConflictError, Fault, ForbiddenError, InvalidInputError
from datasets_app.models import Contribution, Dataset, DatasetVersion
from datasets_app.quotas import check_quota
from datasets_app.services.versioning import save_records
from datasets_app.sharing.class_records import (
    build_record,
    checked_record,
    comparable,
    stored_line,
    texts_of,
)
from datasets_app.sharing.contributions import texts_in_version, unsaved_rows
from datasets_app.sharing.row_rights import row_rights
from datasets_app.versions.stored_rows import records_of

MAX_WAITING_ROWS = 50
_REASON_LENGTH = Contribution._meta.get_field("reason").max_length or 0


def add_row(author: User, dataset: Dataset, *, question: str, answer: str) -> Contribution:
    """Offer a row; one that is sent twice while it waits is one row.

    Raises:
        ForbiddenError: author adds no rows here.
        InvalidInputError: it can not be an example; faults name question or answer.
        ConflictError: as many rows of author wait as may.
    """
    if not row_rights(author, dataset).may_add:
        raise ForbiddenError(_("Only students, assistants and instructors of the cohort add rows."))
    record = checked_record(dataset.type, question, answer)
    with transaction.atomic():
        _wait_for_own_turn(author, dataset)
        waiting = dataset.contributions.filter(author=author, state=Contribution.State.WAITING)
        rows = list(waiting)
        twin = next((row for row in rows if row.record == record), None)
        if twin is not None:
            return twin
        if len(rows) >= MAX_WAITING_ROWS:
            sentence = ngettext(
                "%(count)d row of yours is waiting already. Wait for its review, or withdraw it.",
                "%(count)d rows of yours are waiting already, and more can not. "
                "Wait until some are reviewed, or withdraw one.",
                MAX_WAITING_ROWS,
            )
            raise ConflictError(sentence % {"count": MAX_WAITING_ROWS})
        return Contribution.objects.create(dataset=dataset, author=author, record=record)


def withdraw_row(author: User, dataset: Dataset, row_id: UUID) -> bool:
    """Take back a row of one's own that still waits; whether there was one."""
    deleted, _by_model = dataset.contributions.filter(
        pk=row_id, author=author, state=Contribution.State.WAITING
    ).delete()
    return bool(deleted)


def accept_rows(reviewer: User, dataset: Dataset, row_ids: Iterable[UUID]) -> int:
    """Take rows that wait into the next version; how many of them still waited.

    Raises:
        ForbiddenError: reviewer does not lead the cohort.
    """
    return _decide(reviewer, dataset, row_ids, Contribution.State.ACCEPTED)


def reject_rows(reviewer: User, dataset: Dataset, row_ids: Iterable[UUID], *, reason: str) -> int:
    """Refuse rows that wait and tell their authors why; how many of them still waited.

    Raises:
        ForbiddenError: reviewer does not lead the cohort.
        InvalidInputError: no reason, or a very long one.
    """
    cleaned = " ".join(reason.replace("\x00", "").split())
    if not cleaned:
        sentence = _("Write a reason, so that the author knows what to mend.")
        raise InvalidInputError(sentence, faults=[Fault(sentence, field="reason")])
    if len(cleaned) > _REASON_LENGTH:
        sentence = _("The reason is too long: use at most %(limit)d characters.")
        sentence %= {"limit": _REASON_LENGTH}
        raise InvalidInputError(sentence, faults=[Fault(sentence, field="reason")])
    return _decide(reviewer, dataset, row_ids, Contribution.State.REJECTED, reason=cleaned)


def reopen_row(reviewer: User, dataset: Dataset, row_id: UUID) -> bool:
    """Let an accepted row wait again, while it is in no version; whether it was one.

    Raises:
        ForbiddenError: reviewer does not lead the cohort.
    """
    _check_may_review(reviewer, dataset)
    reopened = dataset.contributions.filter(
        pk=row_id, state=Contribution.State.ACCEPTED, version=None
    ).update(state=Contribution.State.WAITING, reviewer=None, reviewed_at=None)
    return bool(reopened)


def save_accepted_rows(reviewer: User, dataset: Dataset) -> DatasetVersion | None:
    """Append the accepted rows to the newest version; the new version, or None when there is nothing to add.

    A row whose texts the dataset holds already is not repeated: it counts as part of the version that holds it. So
    nothing is added twice, even if an earlier call was cut off after its version was saved.

    Raises:
        ForbiddenError: reviewer does not lead the cohort.
        ConflictError: the dataset was changed in the meantime.
        QuotaError: the owner or the cohort has no room for another version.
        UnavailableError: the newest version's file is missing.
        DiskFullError: no room for it.
    """
    _check_may_review(reviewer, dataset)
    rows = list(unsaved_rows(dataset))
    if not rows:
        return None
    base = dataset.versions.select_related("dataset").order_by("-number")[0]
    texts = {comparable(row.record): row for row in reversed(rows)}
    known = texts_in_version(base, set(texts))
    _mark_saved([row for row in rows if comparable(row.record) in known], base)
    fresh = [row for row in rows if comparable(row.record) not in known]
    records = [_ordered(texts[text].record, dataset.type) for text in _first_of_each(fresh)]
    if not records:
        return None
    extra = sum(len(stored_line(record).encode()) + 1 for record in records)
    check_quota(dataset.owner, base.size_bytes + extra, dataset.cohort, asked_by=reviewer)
    version = save_records(
        base,
        chain(records_of(base), records),
        author=reviewer,
        change={"code": "class_rows", "count": len(records)},
    )
    _mark_saved(fresh, version)
    return version


def _decide(
    reviewer: User,
    dataset: Dataset,
    row_ids: Iterable[UUID],
    state: Contribution.State,
    *,
    reason: str = "",
) -> int:
    _check_may_review(reviewer, dataset)
    # Two leaders may review at once: the first decision counts.
    return dataset.contributions.filter(
        pk__in=list(row_ids), state=Contribution.State.WAITING
    ).update(state=state, reason=reason, reviewer=reviewer, reviewed_at=timezone.now())


def _check_may_review(reviewer: User, dataset: Dataset) -> None:
    if not row_rights(reviewer, dataset).may_review:
        raise ForbiddenError(_("Only assistants and instructors of the cohort review rows."))


def _wait_for_own_turn(author: User, dataset: Dataset) -> None:
    """Rows of one person come in one after another, so that a double click passes neither check nor limit."""
    assert dataset.cohort_id is not None
    own = Membership.objects.filter(cohort_id=dataset.cohort_id, user=author)
    list(own.select_for_update().values_list("pk"))


def _first_of_each(rows: list[Contribution]) -> Iterator[str]:
    """The texts of rows in their order, each once."""
    yield from dict.fromkeys(comparable(row.record) for row in rows)


def _ordered(record: Any, dataset_type: str) -> dict[str, Any]:
    """A record with its fields in our order: PostgreSQL keeps its own."""
    return build_record(dataset_type, *texts_of(record))


def _mark_saved(rows: list[Contribution], version: DatasetVersion) -> None:
    """Note in which version rows are; one that was reopened meanwhile is in it all the same."""
    ids = [row.pk for row in rows]
    Contribution.objects.filter(pk__in=ids, version=None).update(
        version=version, state=Contribution.State.ACCEPTED
    )
