"""The training jobs of a class: which of them a page lists, in which order, and what it says of each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import F, Q, QuerySet, Value
from django.db.models.expressions import Expression, OrderBy
from django.db.models.functions import Coalesce, Lower, NullIf
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Cohort
from common.errors import NotFoundError
from courses.models import PinnedJob
from courses.selectors.disguise import disguised
from courses.selectors.names import shown_names
from courses.wording.failures import failure_label
from training.models import TrainingJob
from training.notebook.filters import LONGEST_SEARCH, clean_text
from training.selectors import RELATED

ROWS_PER_PAGE = 50
NEWEST = "-created"
ID = re.compile("[0-9]{1,18}")
"""Of a user; a longer number is too large for a database."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the list, and the value in the database by which it is sorted.

    Attributes:
        is_number: its values stand at the end of their cells.
    """

    key: str
    title: str | Promise
    value: Expression | F
    is_number: bool = False


SHOWN_NAME = Lower(Coalesce(NullIf("owner__display_name", Value("")), "owner__username"))
COLUMNS = (
    Column("student", gettext_lazy("Student"), SHOWN_NAME),
    Column("name", gettext_lazy("Job"), Lower("name")),
    Column("status", gettext_lazy("State"), F("status")),
    Column("rank", gettext_lazy("Rank"), F("lora_config__r"), is_number=True),
    Column(
        "rate", gettext_lazy("Learning rate"), F("training_config__learning_rate"), is_number=True
    ),
    Column("epochs", gettext_lazy("Epochs"), F("training_config__num_epochs"), is_number=True),
    Column("batch", gettext_lazy("Batch size"), F("training_config__batch_size"), is_number=True),
    Column("model", gettext_lazy("Base model"), Lower("base_model__name")),
    Column("loss", gettext_lazy("Loss"), F("loss"), is_number=True),
    Column("held-out", gettext_lazy("Held-out loss"), F("eval_loss"), is_number=True),
    Column(
        "gain",
        gettext_lazy("Gain at the end"),
        F("baseline_loss") - F("eval_loss"),
        is_number=True,
    ),
    Column("seconds", gettext_lazy("Time on the device"), F("device_seconds"), is_number=True),
    Column("created", gettext_lazy("Started"), F("created_at")),
)
ANONYMOUS = {"student": F("owner_id"), "name": F("pk")}
"""By what a projected list is sorted instead."""
SORTED = {column.key: column.value for column in COLUMNS}


@dataclass(frozen=True, slots=True)
class RunFilters:
    """What the list is narrowed to, and its order.

    Attributes:
        student: the id of a user.
        base_model: its name.
        sort: the key of a column, with a minus for the largest first.
    """

    search: str = ""
    status: str = ""
    student: int | None = None
    base_model: str = ""
    sort: str = NEWEST

    @classmethod
    def from_address(cls, values: Mapping[str, str], *, is_projected: bool) -> RunFilters:
        """What an address asks for; what means nothing is passed over.

        Args:
            is_projected: a search would give away whose job it is, and what they called it.
        """
        status, sort, student = (values.get(name, "") for name in ("status", "sort", "student"))
        return cls(
            search="" if is_projected else clean_text(values.get("q", ""))[:LONGEST_SEARCH],
            status=status if status in TrainingJob.Status.values else "",
            student=int(student) if ID.fullmatch(student) else None,
            base_model=clean_text(values.get("model", ""))[:LONGEST_SEARCH],
            sort=sort if sort.removeprefix("-") in SORTED else NEWEST,
        )

    @property
    def is_narrowed(self) -> bool:
        return bool(self.search or self.status or self.student is not None or self.base_model)

    def apply(self, jobs: QuerySet[TrainingJob], *, is_projected: bool) -> QuerySet[TrainingJob]:
        """
        Args:
            is_projected: the order may not give real names away.
        """
        if self.status:
            jobs = jobs.filter(status=self.status)
        if self.student is not None:
            jobs = jobs.filter(owner_id=self.student)
        if self.base_model:
            jobs = jobs.filter(base_model__name=self.base_model)
        if self.search:
            jobs = jobs.filter(_matches(self.search))
        return jobs.order_by(self._order(is_projected=is_projected), "-created_at", "pk")

    def _order(self, *, is_projected: bool) -> OrderBy:
        key = self.sort.removeprefix("-")
        value = ANONYMOUS.get(key, SORTED[key]) if is_projected else SORTED[key]
        # Jobs without a value stand last, whichever way the others are sorted.
        return OrderBy(value, descending=self.sort.startswith("-"), nulls_last=True)


@dataclass(frozen=True, slots=True)
class RunRow:
    """A job in the list.

    Attributes:
        gain: by how much its last held-out loss lies below the base model's.
        failure: why it failed, in few words.
    """

    job: TrainingJob
    student: str
    gain: float | None
    failure: str
    is_pinned: bool


def jobs_of_cohort(cohort: Cohort) -> QuerySet[TrainingJob]:
    """Those that count in the class, whoever is still in it."""
    return TrainingJob.objects.filter(cohort=cohort).select_related("owner", *RELATED)


def job_of_cohort(cohort: Cohort, job_id: UUID | str) -> TrainingJob:
    """
    Raises:
        NotFoundError: there is no such job, or it does not count in this class.
    """
    try:
        job = jobs_of_cohort(cohort).filter(pk=job_id).first()
    except (ValidationError, ValueError):
        job = None
    if job is None:
        raise NotFoundError(_("There is no job with this id in this class."))
    return job


@dataclass(frozen=True, slots=True)
class OwnerNames:
    """What the page calls the owners of jobs."""

    by_user: Mapping[int, str]
    is_projected: bool

    @classmethod
    def of(cls, cohort: Cohort, *, is_projected: bool) -> OwnerNames:
        return cls(shown_names(cohort, is_projected=is_projected), is_projected)

    def of_job(self, job: TrainingJob) -> str:
        """Somebody who has left the class is not named on a screen that everybody sees."""
        if name := self.by_user.get(job.owner_id):
            return name
        return _("Somebody who left the class") if self.is_projected else str(job.owner)

    def shown(self, job: TrainingJob) -> TrainingJob:
        """The job as the page may show it; to be read, never to be saved."""
        return disguised(job) if self.is_projected else job

    @property
    def choices(self) -> list[tuple[int, str]]:
        return sorted(self.by_user.items(), key=lambda item: item[1].casefold())


def run_rows(cohort: Cohort, jobs: Iterable[TrainingJob], names: OwnerNames) -> list[RunRow]:
    """The rows of one page of the list, with one query however many there are."""
    jobs = list(jobs)
    pinned = set(
        PinnedJob.objects.filter(cohort=cohort, job__in=jobs).values_list("job_id", flat=True)
    )
    return [
        RunRow(
            names.shown(job),
            names.of_job(job),
            gain_of(job),
            failure_label(job.error_code) if job.status == TrainingJob.Status.FAILED else "",
            job.pk in pinned,
        )
        for job in jobs
    ]


def gain_of(job: TrainingJob) -> float | None:
    """By how much the last held-out loss lies below the base model's."""
    if job.baseline_loss is None or job.eval_loss is None:
        return None
    return job.baseline_loss - job.eval_loss


def base_models_of(cohort: Cohort) -> list[str]:
    """Names of the base models that the class has trained."""
    names = TrainingJob.objects.filter(cohort=cohort).order_by("base_model__name")
    return list(names.values_list("base_model__name", flat=True).distinct())


def _matches(search: str) -> Q:
    owner = Q(owner__display_name__icontains=search) | Q(owner__username__icontains=search)
    return Q(name__icontains=search) | owner
