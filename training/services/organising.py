"""What a person writes on a job of theirs, and how they keep their jobs in order.

Only the columns that are asked for are written: a worker may write the others at the same moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from common.errors import ConflictError, Fault, InvalidInputError
from training.models import TrainingJob
from training.notebook.guessing import can_guess, guess_lock_sentence, unmeasured
from training.notebook.texts import text_version
from training.services.notes import read_name, read_note, read_tags

TEXTS = ("notes", "prediction", "explanation")


class ChangedMeanwhileError(ConflictError):
    """The text is another than the one that its writer began with.

    Attributes:
        current: the text as it is now.
    """

    code = "changed_meanwhile"

    def __init__(self, field: str, current: str) -> None:
        super().__init__(
            _(
                "This text was changed elsewhere while you were writing. "
                "Nothing is lost: compare both texts and save the one that shall stay."
            )
        )
        self.field = field
        self.current = current


@dataclass(frozen=True, slots=True)
class Changes:
    """What shall be different; None leaves a thing as it is.

    Attributes:
        before: the texts that the writer began with, by field, as their versions; they are not checked where left out.
    """

    name: str | None = None
    notes: str | None = None
    prediction: str | None = None
    explanation: str | None = None
    tags: Sequence[str] | None = None
    is_starred: bool | None = None
    is_archived: bool | None = None
    before: dict[str, str] | None = None


def organise(job: TrainingJob, changes: Changes) -> TrainingJob:
    """Make the changes, all or none.

    Raises:
        InvalidInputError: with every fault, by field.
        ChangedMeanwhileError: a text was changed by somebody else, or in another window.
        ConflictError: the guess can not be changed any more.
    """
    fields, texts = _read(changes)
    with transaction.atomic():
        for field, text in texts.items():
            _write_text(job, field, text, (changes.before or {}).get(field))
        if changes.is_archived is not None:
            _own_row(job).filter(archived_at__isnull=changes.is_archived).update(
                archived_at=timezone.now() if changes.is_archived else None
            )
        if fields:
            _own_row(job).update(**fields)
    job.refresh_from_db()
    return job


def archive_jobs(jobs: Iterable[TrainingJob], *, is_archived: bool) -> int:
    """Put jobs away or bring them back; returns how many were not there yet."""
    found = TrainingJob.objects.filter(
        pk__in=[job.pk for job in jobs], archived_at__isnull=is_archived
    )
    return found.update(archived_at=timezone.now() if is_archived else None)


def add_tags(jobs: Iterable[TrainingJob], tags: Sequence[str]) -> int:
    """Add tags to jobs, all or none; returns how many jobs got a new one.

    Raises:
        InvalidInputError: no tag, one that can not be used, or too many for one of the jobs.
    """
    faults: list[Fault] = []
    added = read_tags(tags, faults)
    if not added and not faults:
        faults.append(Fault(_("Write the tag that the jobs shall get."), field="tags"))
    _refuse(faults)
    changed = []
    with transaction.atomic():
        wanted = TrainingJob.objects.filter(pk__in=[job.pk for job in jobs])
        for job in wanted.select_for_update().only("pk", "tags"):
            tags_after = read_tags([*job.tags, *added], faults)
            _refuse(faults)
            if tags_after != job.tags:
                job.tags = tags_after
                changed.append(job)
        TrainingJob.objects.bulk_update(changed, ["tags"])
    return len(changed)


def _read(changes: Changes) -> tuple[dict[str, Any], dict[str, str]]:
    faults: list[Fault] = []
    fields: dict[str, Any] = {}
    if changes.name is not None:
        fields["name"] = read_name(changes.name, faults)
    if changes.tags is not None:
        fields["tags"] = read_tags(changes.tags, faults)
    if changes.is_starred is not None:
        fields["is_starred"] = changes.is_starred
    texts = {
        field: read_note(text, field, faults)
        for field in TEXTS
        if (text := getattr(changes, field)) is not None
    }
    _refuse(faults)
    return fields, texts


def _refuse(faults: list[Fault]) -> None:
    if faults:
        raise InvalidInputError(
            _("Nothing was changed, because some of it can not be used."), faults=faults
        )


def _write_text(job: TrainingJob, field: str, text: str, version: str | None) -> None:
    """Replace a text that is still the one which the writer knows."""
    current = _own_row(job).values_list(field, flat=True).get()
    if current == text:
        return
    if version is not None and version != text_version(current):
        raise ChangedMeanwhileError(field, current)
    unchanged = _own_row(job).filter(**{field: current})
    if field == "prediction":
        _write_guess(job, unchanged, text)
    elif not unchanged.update(**{field: text}):
        raise ChangedMeanwhileError(field, _own_row(job).values_list(field, flat=True).get())


def _write_guess(job: TrainingJob, unchanged: Any, text: str) -> None:
    """A guess is one only as long as nothing was measured."""
    if unchanged.filter(unmeasured()).update(prediction=text):
        return
    job.refresh_from_db()
    if not can_guess(job):
        raise ConflictError(guess_lock_sentence(job))
    raise ChangedMeanwhileError("prediction", job.prediction)


def _own_row(job: TrainingJob) -> Any:
    return TrainingJob.objects.filter(pk=job.pk)
