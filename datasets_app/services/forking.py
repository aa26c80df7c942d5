"""A copy of one's own of a dataset that somebody shares."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from common.storage import check_free_space, delete_prefix, fetch_file, save_file
from datasets_app.lifecycle import scratch_file
from datasets_app.models import Dataset, DatasetVersion
from datasets_app.quotas import check_quota
from datasets_app.selectors import get_dataset, latest_version
from datasets_app.storing import dataset_prefix
from datasets_app.versions.copying import copied_version
from datasets_app.versions.stored_rows import missing_file_error

_NAME_LENGTH = Dataset._meta.get_field("name").max_length or 0


def fork_dataset(user: User, dataset: Dataset) -> Dataset:
    """A private dataset of user with the newest version of another one.

    Raises:
        NotFoundError: user may not see it.
        QuotaError: user has no room for it.
        DiskFullError: the server has none.
        UnavailableError: its file is not there.
    """
    original = get_dataset(user, dataset.pk)
    source = latest_version(original)
    check_quota(user, source.size_bytes)
    check_free_space()
    copy = Dataset(
        owner=user,
        name=(_("%(name)s (copy)") % {"name": original.name})[:_NAME_LENGTH],
        description=original.description,
        type=original.type,
        forked_from=source,
    )
    version = copied_version(
        source,
        dataset=copy,
        number=1,
        file=f"{dataset_prefix(copy.pk)}/v1.jsonl",
        change={
            "code": "forked",
            "name": original.name,
            "owner": str(original.owner),
            "number": source.number,
        },
        created_by=user,
    )
    _copy_file(source, version)
    try:
        with transaction.atomic():
            copy.save(force_insert=True)
            version.save(force_insert=True)
    except BaseException:
        delete_prefix(dataset_prefix(copy.pk))
        raise
    return copy


def _copy_file(source: DatasetVersion, version: DatasetVersion) -> None:
    with scratch_file() as draft:
        try:
            fetch_file(source.file, draft)
        except FileNotFoundError as error:
            raise missing_file_error() from error
        save_file(version.file, draft)
