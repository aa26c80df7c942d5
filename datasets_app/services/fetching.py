"""Fetch a dataset of the Hugging Face Hub: an import whose file a worker brings."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from common.errors import Fault, InvalidInputError
from common.poke import poke_on_commit
from common.storage import check_free_space
from datasets_app.hub import FAILURES, HubError, is_offline
from datasets_app.labels import read_labels
from datasets_app.models import DatasetImport, HubRepository
from datasets_app.quotas import check_quota
from datasets_app.tasks import run_import


def fetch_from_hub(
    owner: User,
    *,
    source: dict[str, Any],
    name: str = "",
    description: str = "",
    dataset_type: str | None = None,
) -> DatasetImport:
    """Queue the fetching of an allowed dataset.

    Args:
        source: repository, revision, configuration, split, columns and max_rows.

    Raises:
        InvalidInputError: instructors did not allow this dataset.
        UnavailableError: the Hub is switched off here.
        TooLargeError: the owner's space is used up.
        DiskFullError: no room for it.
    """
    if is_offline():
        raise HubError(FAILURES["hub_unavailable"], reason="hub_unavailable")
    repository = str(source["repository"])
    if not HubRepository.objects.filter(repository=repository).exists():
        sentence = _(
            "This dataset of the Hub is not on the list of allowed ones. Ask your instructor to add it."
        )
        raise InvalidInputError(sentence, faults=[Fault(sentence, field="repository")])
    labels = read_labels(name.strip() or repository.rpartition("/")[2], description, dataset_type)
    check_free_space()
    check_quota(owner, 1)
    order = DatasetImport(
        owner=owner,
        name=labels.name,
        description=labels.description,
        type=labels.dataset_type or "",
        source_name=f"{repository} ({source['split']})"[:200],
        hub_source=source,
    )
    with transaction.atomic():
        order.save(force_insert=True)
        poke_on_commit(run_import, str(order.pk))
    return order
