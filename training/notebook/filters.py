"""Which jobs of a list a person wants to see, as an address says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import BooleanField, F, Func, Q, QuerySet, Value
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from training.models import TrainingJob
from training.notebook.limits import MAX_TAG_CHARACTERS

LONGEST_SEARCH = 120
SORTS = (
    ("newest", _("Newest first")),
    ("best", _("Best held-out loss first")),
    ("name", _("By name")),
)


class HasTag(Func):
    """Whether a JSON list holds a text. SQLite has no containment for JSON, only its elements as rows."""

    function = "jsonb_exists"
    output_field = BooleanField()

    def as_sqlite(self, compiler, connection, **context):  # type: ignore[no-untyped-def]
        return super().as_sql(
            compiler,
            connection,
            template="EXISTS (SELECT 1 FROM json_each(%(expressions)s)",
            arg_joiner=") WHERE value = ",
            **context,
        )


@dataclass(frozen=True, slots=True)
class JobFilters:
    """What a list is narrowed to, and its order.

    Attributes:
        is_starred: only starred ones, only others, or with None all; is_archived alike.
        tag: the whole tag, in its case.
        search: in names and notes.
        sort: a name of SORTS.
    """

    status: str = ""
    tag: str = ""
    is_starred: bool | None = None
    is_archived: bool | None = None
    search: str = ""
    sort: str = "newest"

    @classmethod
    def from_address(cls, values: Mapping[str, str]) -> JobFilters:
        """What a page's address asks for; what means nothing is passed over. Archived jobs are put away."""
        status, sort = values.get("status", ""), values.get("sort", "")
        return cls(
            status=status if status in TrainingJob.Status.values else "",
            tag=clean_text(values.get("tag", ""))[:MAX_TAG_CHARACTERS],
            is_starred=True if values.get("starred") else None,
            is_archived=bool(values.get("archived")),
            search=clean_text(values.get("q", ""))[:LONGEST_SEARCH],
            sort=sort if sort in dict(SORTS) else "newest",
        )

    @property
    def is_narrowed(self) -> bool:
        """Whether jobs may be missing that are not archived."""
        return bool(self.status or self.tag or self.is_starred or self.is_archived or self.search)

    def apply(self, jobs: QuerySet[TrainingJob]) -> QuerySet[TrainingJob]:
        if self.status:
            jobs = jobs.filter(status=self.status)
        if self.tag:
            jobs = jobs.filter(HasTag(F("tags"), Value(self.tag)))
        if self.is_starred is not None:
            jobs = jobs.filter(is_starred=self.is_starred)
        if self.is_archived is not None:
            jobs = jobs.filter(archived_at__isnull=not self.is_archived)
        if self.search:
            jobs = jobs.filter(Q(name__icontains=self.search) | Q(notes__icontains=self.search))
        match self.sort:
            case "best":
                return jobs.order_by(F("eval_loss").asc(nulls_last=True), "-created_at")
            case "name":
                return jobs.order_by(Lower("name"), "-created_at")
        return jobs.order_by("-created_at")


def clean_text(text: str) -> str:
    """What a database takes: an address can hold NUL and halves of characters."""
    return text.replace("\x00", "").strip().encode("utf-8", "ignore").decode("utf-8")
