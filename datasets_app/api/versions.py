"""API calls about the versions of a dataset: read, change, compare, split, copy and download them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, StreamingHttpResponse
from ninja import Query, Status

from common.api import ERROR_RESPONSES, ListPagination, current_user
from datasets_app.api.router import router
from datasets_app.auditing import record_event
from datasets_app.models import Dataset, DatasetEvent, DatasetVersion
from datasets_app.schemas import (
    ComparisonSchema,
    DatasetSchema,
    OverlapSchema,
    RecordIn,
    RecordList,
    SplitIn,
    SplitSchema,
    VersionSchema,
)
from datasets_app.selectors import (
    get_dataset,
    get_version,
    latest_version,
    leaks_between,
    read_records,
)
from datasets_app.services.deleting import delete_version
from datasets_app.services.editing import add_row, change_row, delete_row
from datasets_app.services.forking import fork_dataset
from datasets_app.services.restoring import restore_version
from datasets_app.services.splitting import split_dataset
from datasets_app.versions.comparing import compare_lines
from datasets_app.versions.downloads import version_response
from datasets_app.versions.exporting import ExportFormat
from datasets_app.versions.stored_rows import lines_of

ONE = "/{uuid:dataset_id}"
MAX_LEAKS = 1000
CHANGED: dict[int, Any] = {201: VersionSchema} | ERROR_RESPONSES


@router.get(
    f"{ONE}/versions",
    response={200: list[VersionSchema]} | ERROR_RESPONSES,
    summary="Versions of a dataset, newest first",
)
def version_list(request: HttpRequest, dataset_id: UUID) -> list[DatasetVersion]:
    return list(get_dataset(current_user(request), dataset_id).versions.all())


@router.get(
    f"{ONE}/versions/{{int:number}}/data",
    response={200: RecordList} | ERROR_RESPONSES,
    summary="Records of one version",
)
def version_data(
    request: HttpRequest, dataset_id: UUID, number: int, page: Query[ListPagination.Input]
) -> dict[str, Any]:
    version = get_version(get_dataset(current_user(request), dataset_id), number)
    items = read_records(version, limit=page.limit, offset=page.offset)
    return {"items": items, "count": version.example_count}


@router.get(
    f"{ONE}/versions/{{int:old}}/{{int:new}}",
    response={200: ComparisonSchema} | ERROR_RESPONSES,
    summary="What changed between two versions",
)
def version_comparison(request: HttpRequest, dataset_id: UUID, old: int, new: int) -> Any:
    dataset = get_dataset(current_user(request), dataset_id)
    return compare_lines(lines_of(get_version(dataset, old)), lines_of(get_version(dataset, new)))


@router.post(
    f"{ONE}/versions/{{int:number}}/restore",
    response=CHANGED,
    summary="Make an old version the newest one again",
)
def version_restore(
    request: HttpRequest, dataset_id: UUID, number: int, base_number: int
) -> Status[DatasetVersion]:
    """409 when base_number is not the newest version any more."""
    user = current_user(request)
    dataset = get_dataset(user, dataset_id)
    return Status(201, restore_version(user, dataset, number, base_number))


@router.delete(
    f"{ONE}/versions/{{int:number}}",
    response={204: None} | ERROR_RESPONSES,
    summary="Delete one version",
)
def version_delete(request: HttpRequest, dataset_id: UUID, number: int) -> Status[None]:
    """409 while a training job refers to it, and for the only version."""
    user = current_user(request)
    delete_version(user, get_dataset(user, dataset_id), number)
    return Status(204, None)


@router.post(f"{ONE}/rows", response=CHANGED, summary="Add an example; makes a new version")
def row_create(request: HttpRequest, dataset_id: UUID, body: RecordIn) -> Status[DatasetVersion]:
    user = current_user(request)
    dataset = get_dataset(user, dataset_id)
    return Status(201, add_row(user, dataset, body.record, body.base_number))


@router.put(
    f"{ONE}/rows/{{int:number}}",
    response=CHANGED,
    summary="Change an example; makes a new version",
)
def row_update(
    request: HttpRequest, dataset_id: UUID, number: int, body: RecordIn
) -> Status[DatasetVersion]:
    """Examples are numbered from 1. 409 when base_number is not the newest version any more."""
    user = current_user(request)
    dataset = get_dataset(user, dataset_id)
    return Status(201, change_row(user, dataset, number, body.record, body.base_number))


@router.delete(
    f"{ONE}/rows/{{int:number}}",
    response=CHANGED,
    summary="Delete an example; makes a new version",
)
def row_delete(
    request: HttpRequest, dataset_id: UUID, number: int, base_number: int
) -> Status[DatasetVersion]:
    user = current_user(request)
    return Status(201, delete_row(user, get_dataset(user, dataset_id), number, base_number))


@router.post(
    f"{ONE}/split",
    response={201: SplitSchema} | ERROR_RESPONSES,
    summary="Split into a training and an evaluation dataset",
)
def dataset_split(request: HttpRequest, dataset_id: UUID, body: SplitIn) -> Status[Any]:
    """Seeded, and stratified by length: the same seed gives the same parts."""
    user = current_user(request)
    training, evaluation = split_dataset(
        user,
        get_dataset(user, dataset_id),
        evaluation_count=body.evaluation_count,
        seed=body.seed,
        training_name=body.training_name,
        evaluation_name=body.evaluation_name,
    )
    return Status(201, {"training": training, "evaluation": evaluation})


@router.post(
    f"{ONE}/fork",
    response={201: DatasetSchema} | ERROR_RESPONSES,
    summary="Copy a dataset that is shared with you",
)
def dataset_fork(request: HttpRequest, dataset_id: UUID) -> Status[Dataset]:
    user = current_user(request)
    return Status(201, fork_dataset(user, get_dataset(user, dataset_id)))


@router.get(
    f"{ONE}/overlap",
    response={200: OverlapSchema} | ERROR_RESPONSES,
    summary="Examples of an evaluation set that are in this training set",
)
def dataset_overlap(
    request: HttpRequest, dataset_id: UUID, evaluation_dataset_id: UUID
) -> dict[str, Any]:
    user = current_user(request)
    overlap, rows = leaks_between(
        latest_version(get_dataset(user, dataset_id)),
        latest_version(get_dataset(user, evaluation_dataset_id)),
        limit=MAX_LEAKS,
    )
    return {
        "evaluation_count": overlap.evaluation_count,
        "training_count": overlap.training_count,
        "is_whole": overlap.is_whole,
        "leak_count": len(overlap.leaks),
        "leaks": [leak for leak, _text in rows],
        "shared_answer_count": overlap.shared_answer_count,
    }


@router.get(
    f"{ONE}/download",
    # A file is no JSON; only its failures are described.
    response=ERROR_RESPONSES,
    summary="A version as a JSONL, CSV or Parquet file",
)
def dataset_download(
    request: HttpRequest,
    dataset_id: UUID,
    format: ExportFormat = "jsonl",
    version: int = 0,
) -> StreamingHttpResponse:
    """Version 0 is the newest."""
    user = current_user(request)
    dataset = get_dataset(user, dataset_id)
    wanted = get_version(dataset, version) if version else latest_version(dataset)
    response = version_response(wanted, format)
    record_event(user, DatasetEvent.Action.EXPORTED, dataset, format=format, version=wanted.number)
    return response
