"""What datasets keep about a person: data with their files, rows for classes, uploads on their way."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Q
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common.personal_data import Item, PersonalData, rows, stored
from common.storage import delete_prefix
from datasets_app.models import (
    ColumnMapping,
    Contribution,
    Dataset,
    DatasetEvent,
    DatasetImport,
    DatasetVersion,
)
from datasets_app.services.deciding import discard
from datasets_app.services.deleting import delete_dataset
from datasets_app.storing import dataset_prefix, import_prefix

NOBODY = "–"
"""In place of a name, in every language."""


# --- datasets ---------------------------------------------------------------------------------------


def _collect_datasets(user: User) -> Iterator[Item]:
    datasets = Dataset.objects.filter(owner=user)
    yield "datasets/datasets.json", rows(datasets)
    versions = DatasetVersion.objects.filter(dataset__owner=user)
    yield "datasets/versions.json", rows(versions, without=["file", "created_by_id"])
    yield (
        "datasets/changes_of_others.json",
        rows(
            DatasetVersion.objects.filter(created_by=user).exclude(dataset__owner=user),
            without=["file", "issues", "statistics", "token_stats"],
        ),
    )
    for version in versions.select_related("dataset").iterator():
        if file := stored(version.file):
            yield f"{_folder(version.dataset)}/v{version.number}.jsonl", file


def _folder(dataset: Dataset) -> str:
    name = slugify(dataset.name, allow_unicode=True)[:60] or "dataset"
    return f"datasets/{name}-{str(dataset.pk)[:8]}"


def _stop_sharing(user: User) -> None:
    """Nobody begins anything new with data that are about to go."""
    Dataset.objects.filter(owner=user).update(visibility=Dataset.Visibility.PRIVATE)


def _erase_datasets(user: User) -> None:
    """Those that jobs of others refer to are somebody else's by now: training has seen to it."""
    copies = Q(dataset__forked_from__dataset__owner=user) | Q(change__owner=str(user))
    for version in DatasetVersion.objects.filter(copies, change__code="forked"):
        version.change |= {"name": NOBODY, "owner": NOBODY}
        version.save(update_fields=["change"])
    for dataset in Dataset.objects.filter(owner=user):
        # Before the rows: once they are gone nothing finds the files after an interruption.
        delete_prefix(dataset_prefix(dataset.pk))
        delete_dataset(dataset)
    DatasetVersion.objects.filter(created_by=user).update(created_by=None)
    ColumnMapping.objects.filter(owner=user).delete()


# --- uploads ----------------------------------------------------------------------------------------


def _collect_imports(user: User) -> Iterator[Item]:
    orders = DatasetImport.objects.filter(owner=user)
    yield "datasets/uploads.json", rows(orders, without=["raw_file"])
    yield "datasets/columns.json", rows(ColumnMapping.objects.filter(owner=user))
    for order in orders.iterator():
        if file := stored(order.raw_file):
            yield f"datasets/uploads/{order.pk}", file


def _erase_imports(user: User) -> None:
    for order in DatasetImport.objects.filter(owner=user):
        delete_prefix(import_prefix(order.pk))
        discard(order)


# --- rows for class datasets ------------------------------------------------------------------------


def _collect_rows(user: User) -> Iterator[Item]:
    offered = Contribution.objects.filter(author=user)
    yield "datasets/rows_for_classes.json", rows(offered, without=["reviewer_id"])


def _erase_rows(user: User) -> None:
    Contribution.objects.filter(author=user).delete()
    Contribution.objects.filter(reviewer=user).update(reviewer=None)


# --- notes ------------------------------------------------------------------------------------------


def _collect_events(user: User) -> Iterator[Item]:
    yield "datasets/log.json", rows(DatasetEvent.objects.filter(actor=user))


def _erase_events(user: User) -> None:
    """After the datasets: their deletion is noted as well."""
    named = DatasetEvent.objects.filter(Q(actor=user) | Q(details__owner=user.get_username()))
    of_person = DatasetEvent.objects.filter(details__owner=user.get_username())
    ids = [*of_person.values_list("dataset_id", flat=True)]
    DatasetEvent.objects.filter(dataset_id__in=ids).update(dataset_name=NOBODY, details={})
    named.update(actor=None, dataset_name=NOBODY, details={})


PARTS = (
    # Erased after the datasets, whose deletion is noted there.
    PersonalData(
        app="datasets_app",
        name="log",
        describe=_(
            "Who took datasets out, shared or deleted them. After an erasure only the date and the act stay."
        ),
        models=(DatasetEvent,),
        collect=_collect_events,
        erase=_erase_events,
    ),
    PersonalData(
        app="datasets_app",
        name="datasets",
        describe=_(
            "Your datasets with all versions and their files. Where another person's job used one, its numbers stay, "
            "without its examples; copies that others made stay theirs."
        ),
        models=(Dataset, DatasetVersion, ColumnMapping),
        collect=_collect_datasets,
        erase=_erase_datasets,
        stop=_stop_sharing,
    ),
    PersonalData(
        app="datasets_app",
        name="rows",
        describe=_(
            "Rows that you offered to datasets of a class. "
            "Those that were accepted into a version stay in it, without your name."
        ),
        models=(Contribution,),
        collect=_collect_rows,
        erase=_erase_rows,
    ),
    PersonalData(
        app="datasets_app",
        name="imports",
        describe=_("Files that you uploaded and that are no dataset yet."),
        models=(DatasetImport,),
        collect=_collect_imports,
        erase=_erase_imports,
    ),
)
