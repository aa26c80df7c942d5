"""The datasets of the list page: which of them, and no more of each than the page shows."""

from __future__ import annotations

from django.db.models import Count, IntegerField, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from datasets_app.models import Contribution, Dataset, DatasetVersion

LONGEST_SEARCH = 120


class Shelf:
    """The parts of the list, by the names that its addresses have."""

    ALL = "all"
    MINE = "mine"
    SHARED = "shared"
    CLASS = "class"

    LABELS = (
        (ALL, _("All")),
        (MINE, _("Mine")),
        (SHARED, _("Shared with me")),
        (CLASS, _("Class datasets")),
    )


def shelf_from(value: str) -> str:
    """The part of the list that an address asks for; all of it when there is no such part."""
    return value if value in dict(Shelf.LABELS) else Shelf.ALL


def search_from(value: str) -> str:
    """What a person searches for, as a database takes it."""
    return value.replace("\x00", "").strip()[:LONGEST_SEARCH]


def datasets_on(user: User, shelf: str, *, search: str = "") -> QuerySet[Dataset]:
    """Newest first; of each dataset only the newest version, without its long columns, in `.latest`.

    Each has waiting_count: rows of members that nobody has reviewed yet.
    """
    found = Dataset.objects.visible_to(user).filter(_on_shelf(user, shelf))
    if search:
        found = found.filter(name__icontains=search)
    return (
        found.annotate(waiting_count=_waiting_count())
        .select_related("owner", "cohort")
        .prefetch_related(Prefetch("versions", queryset=_newest_versions()))
    )


def _on_shelf(user: User, shelf: str) -> Q:
    conditions = {
        Shelf.MINE: Q(owner_id=user.pk),
        Shelf.SHARED: ~Q(owner_id=user.pk) & Q(collects_rows=False),
        Shelf.CLASS: Q(collects_rows=True),
    }
    return conditions.get(shelf, Q())


def _newest_versions() -> QuerySet[DatasetVersion]:
    newest = DatasetVersion.objects.filter(dataset=OuterRef("dataset")).order_by("-number")
    return DatasetVersion.objects.filter(number=Subquery(newest.values("number")[:1])).only(
        "dataset_id", "number", "example_count", "size_bytes"
    )


def _waiting_count() -> Coalesce:
    waiting = (
        Contribution.objects.filter(dataset=OuterRef("pk"), state=Contribution.State.WAITING)
        .order_by()
        .values("dataset")
        .annotate(count=Count("pk"))
        .values("count")
    )
    return Coalesce(Subquery(waiting, output_field=IntegerField()), 0)
