"""Bring a file or a text: it becomes a dataset at once, or an import that waits for a worker or for a decision."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.db import transaction
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from accounts.models import User
from common.errors import TooLargeError
from common.poke import poke_on_commit
from common.storage import CHUNK_BYTES, check_free_space, delete_prefix, save_file
from datasets_app.checking import check_file, limits
from datasets_app.intake.outcome import Outcome
from datasets_app.intake.pipeline import Order
from datasets_app.labels import Labels, clean_file_name, name_from_file, read_labels
from datasets_app.lifecycle import scratch_file, store_import
from datasets_app.models import Dataset, DatasetImport
from datasets_app.quotas import check_quota, check_version_quota
from datasets_app.selectors import remembered_mappings
from datasets_app.storing import import_prefix
from datasets_app.tasks import run_import
from datasets_app.wording.faults import refusal


def bring_file(
    owner: User,
    *,
    file: UploadedFile[bytes],
    name: str = "",
    description: str = "",
    dataset_type: str | None = None,
    target: Dataset | None = None,
    keeps_draft: bool = False,
    asks_columns: bool = False,
) -> Dataset | DatasetImport:
    """A dataset of a file, or an import of it; without a name it takes that of the file.

    Args:
        target: the file becomes the next version of this dataset instead of a new one.
        keeps_draft: a file with faults is kept as an import, so that it can be mended or mapped without another upload.
        asks_columns: the person chooses the columns, whatever their names suggest; needs keeps_draft.

    Raises:
        InvalidInputError: a fault's line is a line of the file.
        TooLargeError: more bytes than an upload may have, or the owner's space is used up.
        DiskFullError: no room for it.
    """
    file_name = clean_file_name(file.name or "")
    label = target.name if target else name.strip() or name_from_file(file_name)
    labels = read_labels(label, description, target.type if target else dataset_type)
    with _received(file) as path:
        return _bring(
            owner,
            labels,
            path,
            file_name,
            target=target,
            keeps_draft=keeps_draft,
            asks_columns=asks_columns,
        )


def bring_text(
    owner: User,
    *,
    text: str,
    name: str,
    description: str = "",
    dataset_type: str | None = None,
    keeps_draft: bool = False,
    asks_columns: bool = False,
) -> Dataset | DatasetImport:
    """The same of pasted text.

    Raises:
        InvalidInputError: a fault's line is a line of the text.
        TooLargeError: more bytes than a text may have, or the owner's space is used up.
        DiskFullError: no room for it.
    """
    labels = read_labels(name, description, dataset_type)
    # Half of a character that a form lets through is told by its line, like one in a file.
    content = text.encode("utf-8", errors="surrogatepass")
    limit = min(settings.MAX_TEXT_BYTES, settings.MAX_UPLOAD_BYTES)
    if len(content) > limit:
        _refuse_size(len(content), limit)
    with scratch_file() as path:
        path.write_bytes(content)
        return _bring(
            owner,
            labels,
            path,
            "",
            target=None,
            keeps_draft=keeps_draft,
            asks_columns=asks_columns,
        )


def _bring(
    owner: User,
    labels: Labels,
    path: Path,
    source_name: str,
    *,
    target: Dataset | None,
    keeps_draft: bool,
    asks_columns: bool,
) -> Dataset | DatasetImport:
    check_free_space()
    size_bytes = path.stat().st_size
    if target:
        check_version_quota(target, size_bytes, asked_by=owner)
    else:
        check_quota(owner, size_bytes)
    order = Order(
        limits(settings.REQUEST_CHECK_BYTES),
        dataset_type=labels.dataset_type,
        remembered={} if asks_columns else remembered_mappings(owner),
        file_name=source_name,
    )
    draft_import = DatasetImport(
        owner=owner,
        name=labels.name,
        description=labels.description,
        type=labels.dataset_type or "",
        target=target,
        source_name=source_name,
        size_bytes=size_bytes,
    )
    with scratch_file() as draft:
        outcome = check_file(path, draft, order)
        if outcome.is_clean and not outcome.is_partial and not asks_columns:
            return store_import(draft_import, outcome, draft)
        is_a_workers = outcome.is_partial and not outcome.errors and not asks_columns
        if not is_a_workers:
            if not (keeps_draft and can_be_decided(outcome)):
                raise refusal(outcome)
            draft_import.state = DatasetImport.State.OPEN
            draft_import.report = outcome.as_dict()
        _keep(draft_import, path)
    return draft_import


def can_be_decided(outcome: Outcome) -> bool:
    """Whether choosing columns or leaving rows out can make the file usable."""
    is_unmapped = any(finding.code in ("columns", "unknown_shape") for finding in outcome.errors)
    return outcome.can_skip or (is_unmapped and bool(outcome.columns))


def _keep(order: DatasetImport, path: Path) -> None:
    order.id = uuid.uuid4()
    order.raw_file = f"{import_prefix(order.id)}/raw"
    save_file(order.raw_file, path)
    try:
        with transaction.atomic():
            order.save(force_insert=True)
            if order.state == DatasetImport.State.CHECKING:
                poke_on_commit(run_import, str(order.id))
    except BaseException:
        delete_prefix(import_prefix(order.id))
        raise


@contextmanager
def _received(file: UploadedFile[bytes]) -> Iterator[Path]:
    """The upload as a file on this disk, within the limit."""
    limit = settings.MAX_UPLOAD_BYTES
    if file.size is not None and file.size > limit:
        _refuse_size(file.size, limit)
    if isinstance(file, TemporaryUploadedFile):
        yield Path(file.temporary_file_path())
        return
    with scratch_file() as path:
        with path.open("wb") as target:
            # The size that a client tells need not be true.
            while chunk := file.read(min(CHUNK_BYTES, limit + 1 - target.tell())):
                target.write(chunk)
                if target.tell() > limit:
                    _refuse_size(target.tell(), limit)
        yield path


def _refuse_size(size_bytes: int, limit: int) -> None:
    raise TooLargeError(
        _(
            "This is %(size)s, and at most %(limit)s can be uploaded. Split it or keep the most useful examples."
        )
        % {"size": filesizeformat(size_bytes), "limit": filesizeformat(limit)}
    )
