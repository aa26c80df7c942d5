"""The rows that members add to a class dataset, as its page shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.db.models import Case, IntegerField, QuerySet, Value, When

from accounts.models import User
from common.errors import UnavailableError
from datasets_app.models import Contribution, Dataset, DatasetVersion
from datasets_app.preview.examples import ShownTurn, shown_example
from datasets_app.sharing.class_records import comparable
from datasets_app.versions.stored_rows import records_of
from engine.data.records import DatasetType, read_example

WAITING_PER_PAGE = 20
OWN_ROWS_SHOWN = 50
ACCEPTED_SHOWN = 20
# A larger file is not read for the sake of a mark.
MAX_COMPARED_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ShownRow:
    """One row with its texts.

    Attributes:
        is_copy: the same texts are in the dataset already, or were offered before.
    """

    row: Contribution
    turns: list[ShownTurn]
    is_copy: bool = False


def own_rows(author: User, dataset: Dataset) -> list[ShownRow]:
    """A person's rows: those that wait first, then the newest."""
    rows = dataset.contributions.filter(author=author).select_related("version")
    by_state = Case(
        When(state=Contribution.State.WAITING, then=Value(0)),
        default=Value(1),
        output_field=IntegerField(),
    )
    newest = rows.order_by(by_state, "-created_at")[:OWN_ROWS_SHOWN]
    return [_shown(row, dataset.type) for row in newest]


def waiting_page(dataset: Dataset, number: str | None) -> Page[ShownRow]:
    """Rows of all members that nobody has reviewed yet, oldest first."""
    rows = dataset.contributions.filter(state=Contribution.State.WAITING)
    ordered = rows.select_related("author").order_by("created_at", "pk")
    page = Paginator(ordered, WAITING_PER_PAGE).get_page(number)
    copies = _copies(dataset, list(page.object_list))
    shown = [_shown(row, dataset.type, is_copy=row.pk in copies) for row in page.object_list]
    # Counted as rows, listed with their texts.
    return Page(shown, page.number, cast("Paginator[ShownRow]", page.paginator))


def row_after(dataset: Dataset, decided: list[UUID]) -> UUID | None:
    """The waiting row that follows the last of those that were decided; at the end the one before, if any."""
    last = dataset.contributions.filter(pk__in=decided).order_by("-created_at", "-pk").first()
    waiting = dataset.contributions.filter(state=Contribution.State.WAITING)
    following = waiting.filter(created_at__gte=last.created_at) if last else waiting
    row = following.order_by("created_at", "pk").first() or waiting.order_by("-created_at").first()
    return row.pk if row else None


def unsaved_rows(dataset: Dataset) -> QuerySet[Contribution]:
    """Accepted rows that are in no version yet, in the order in which they came."""
    accepted = dataset.contributions.filter(state=Contribution.State.ACCEPTED, version=None)
    return accepted.select_related("author").order_by("created_at", "pk")


def shown_unsaved_rows(dataset: Dataset) -> list[ShownRow]:
    """The first of them with their texts."""
    return [_shown(row, dataset.type) for row in unsaved_rows(dataset)[:ACCEPTED_SHOWN]]


def texts_in_version(version: DatasetVersion, texts: set[str]) -> set[str]:
    """Those of texts (comparable records) that stand in the version.

    Raises:
        UnavailableError: the file is not there.
    """
    return texts.intersection(comparable(record) for record in records_of(version))


def _shown(row: Contribution, dataset_type: str, *, is_copy: bool = False) -> ShownRow:
    example = read_example(row.record, cast(DatasetType, dataset_type))
    return ShownRow(row, shown_example(example, 1).turns, is_copy)


def _copies(dataset: Dataset, rows: list[Contribution]) -> set[UUID]:
    """Those of rows whose texts stand in the newest version, or in a row that came before."""
    wanted = {row.pk: comparable(row.record) for row in rows}
    if not wanted:
        return set()
    texts = set(wanted.values())
    known = _known_texts(dataset.latest, texts)
    first = _first_offered(dataset, texts)
    return {pk for pk, text in wanted.items() if text in known or first.get(text) != pk}


def _known_texts(version: DatasetVersion, texts: set[str]) -> set[str]:
    if version.size_bytes > MAX_COMPARED_BYTES:
        return set()
    try:
        return texts_in_version(version, texts)
    except UnavailableError:
        # The page of the dataset says that its file is gone; a row can be reviewed all the same.
        return set()


def _first_offered(dataset: Dataset, texts: set[str]) -> dict[str, UUID]:
    """Of each text the row that came first, among those that wait or are accepted."""
    offered = (
        dataset.contributions.filter(version=None)
        .exclude(state=Contribution.State.REJECTED)
        .order_by("created_at", "pk")
    )
    first: dict[str, UUID] = {}
    for pk, record in offered.values_list("pk", "record").iterator(chunk_size=500):
        text = comparable(record)
        if text in texts:
            first.setdefault(text, pk)
    return first
