"""Part a dataset into one to train on and one to measure with."""

from __future__ import annotations

import hashlib
from itertools import compress
from typing import Any, cast

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from accounts.models import User
from common.errors import ConflictError, Fault, InvalidInputError, TooLargeError
from common.storage import delete_prefix
from datasets_app.models import Dataset, DatasetVersion
from datasets_app.selectors import get_dataset, latest_version
from datasets_app.services.creating import create_part
from datasets_app.storing import dataset_prefix
from datasets_app.versions.stored_rows import lines_of, records_of
from datasets_app.versions.stratify import MIN_DISTINCT_ROWS, choose_evaluation_rows
from engine.data.records import DatasetType

MAX_SPLIT_BYTES = 64 * 1024 * 1024
MAX_SPLIT_EXAMPLES = 100_000
"""Both parts are read and judged anew while the person waits, and every example has a place in memory."""


def split_dataset(
    user: User,
    dataset: Dataset,
    *,
    evaluation_count: int,
    seed: int = 0,
    training_name: str = "",
    evaluation_name: str = "",
) -> tuple[Dataset, Dataset]:
    """Two datasets of user: the newest version without, and with, about evaluation_count of its examples.

    The same seed gives the same parts; exact copies stay together, and both parts have short and long examples.

    Raises:
        NotFoundError: user may not see the dataset.
        ConflictError: it has fewer than two different examples.
        TooLargeError: it is too large to be split while somebody waits.
        InvalidInputError: evaluation_count leaves one part empty, or a name can not be used.
        DiskFullError: no room for it.
    """
    original = get_dataset(user, dataset.pk)
    version = latest_version(original)
    _check_size(version)
    is_evaluation = _choose(version, evaluation_count, seed)
    training = _create_part(
        user,
        version,
        [not chosen for chosen in is_evaluation],
        name=training_name or default_names(original)[0],
        change=_change("split_training", original, version, seed),
    )
    try:
        evaluation = _create_part(
            user,
            version,
            is_evaluation,
            name=evaluation_name or default_names(original)[1],
            change=_change("split_evaluation", original, version, seed),
        )
    except BaseException:
        # One part alone would be taken for the whole; nobody has seen it yet.
        prefix = dataset_prefix(training.pk)
        training.delete()
        delete_prefix(prefix)
        raise
    return training, evaluation


def default_names(dataset: Dataset) -> tuple[str, str]:
    """Names of the two parts that fit into the field."""
    limit = Dataset._meta.get_field("name").max_length or 0
    training, evaluation = _("%(name)s (training)"), _("%(name)s (evaluation)")
    room = limit - max(len(training), len(evaluation)) + len("%(name)s")
    name = dataset.name[:room].strip()
    return training % {"name": name}, evaluation % {"name": name}


def evaluation_count_of(version: DatasetVersion, percent: float) -> int:
    """So many percent of the examples, at least one on each side."""
    count = round(version.example_count * percent / 100)
    return max(1, min(count, version.example_count - 1))


def _check_size(version: DatasetVersion) -> None:
    if version.size_bytes <= MAX_SPLIT_BYTES and version.example_count <= MAX_SPLIT_EXAMPLES:
        return
    raise TooLargeError(
        _(
            "This dataset has %(count)d examples in %(size)s, and up to %(most)d in %(limit)s can be split here. "
            "Download it, split it in a program of yours and upload both parts."
        )
        % {
            "count": version.example_count,
            "size": filesizeformat(version.size_bytes),
            "most": MAX_SPLIT_EXAMPLES,
            "limit": filesizeformat(MAX_SPLIT_BYTES),
        }
    )


def _choose(version: DatasetVersion, count: int, seed: int) -> list[bool]:
    digests, lengths = [], []
    for line in lines_of(version):
        digests.append(hashlib.blake2b(line.encode(), digest_size=16).digest())
        lengths.append(len(line))
    if len(set(digests)) < MIN_DISTINCT_ROWS:
        raise ConflictError(
            _(
                "A split needs at least two different examples, and this dataset has only one. "
                "Add another example first."
            )
        )
    if not 0 < count < len(digests):
        sentence = _("Choose between 1 and %(limit)d examples, so that both parts have some.")
        message = sentence % {"limit": len(digests) - 1}
        raise InvalidInputError(message, faults=[Fault(message, field="amount")])
    return choose_evaluation_rows(digests, lengths, count=count, seed=seed)


def _create_part(
    user: User,
    version: DatasetVersion,
    is_chosen: list[bool],
    *,
    name: str,
    change: dict[str, Any],
) -> Dataset:
    original = version.dataset
    return create_part(
        user,
        name=name,
        description=_description(original, version, change),
        dataset_type=cast(DatasetType, original.type),
        records=compress(records_of(version), is_chosen),
        change=change,
    )


def _change(code: str, dataset: Dataset, version: DatasetVersion, seed: int) -> dict[str, Any]:
    return {"code": code, "name": dataset.name, "number": version.number, "seed": seed}


def _description(dataset: Dataset, version: DatasetVersion, change: dict[str, Any]) -> str:
    values = {"name": dataset.name, "number": version.number, "seed": change["seed"]}
    if change["code"] == "split_training":
        return (
            _("Training part of “%(name)s”, version %(number)d, split with the seed %(seed)d.")
            % values
        )
    return (
        _("Evaluation part of “%(name)s”, version %(number)d, split with the seed %(seed)d.")
        % values
    )
