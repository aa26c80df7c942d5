"""API calls that make, read and delete datasets, and follow imports."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import File, Form, Header, Query, Status, UploadedFile

from accounts.idempotency import once
from common.api import ERROR_RESPONSES, ListPagination, current_user, paginated
from datasets_app.api.router import router
from datasets_app.models import Dataset, DatasetImport
from datasets_app.schemas import DatasetIn, DatasetSchema, ImportSchema, RecordList
from datasets_app.selectors import (
    datasets_visible_to,
    find_brought,
    get_dataset,
    get_owned_dataset,
    latest_version,
    read_records,
)
from datasets_app.services import creating
from datasets_app.services.bringing import bring_file
from datasets_app.services.deleting import delete_dataset

IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key")]
CREATED = {201: DatasetSchema} | ERROR_RESPONSES


@router.get("", response=list[DatasetSchema], summary="Your datasets, newest first")
@paginated
def dataset_list(request: HttpRequest) -> QuerySet[Dataset]:
    return datasets_visible_to(current_user(request))


@router.post("", response=CREATED, summary="Make a dataset of records")
def dataset_create(
    request: HttpRequest, body: DatasetIn, idempotency_key: IdempotencyKey = None
) -> Status[Dataset]:
    """The line of a fault is the number of the record, from 1."""
    user = current_user(request)
    dataset = once(
        user,
        scope="dataset",
        key=idempotency_key,
        create=lambda: creating.create_dataset(
            user,
            name=body.name,
            description=body.description,
            dataset_type=body.type,
            records=body.data,
        ),
        find=partial(get_dataset, user),
    )
    return Status(201, dataset)


@router.post(
    "/upload",
    response={202: ImportSchema} | CREATED,
    summary="Make a dataset of a JSON, JSONL, CSV, TSV or Parquet file",
)
def dataset_upload(
    request: HttpRequest,
    file: File[UploadedFile],
    name: Form[str] = "",
    description: Form[str] = "",
    type: Form[str] = "",
    idempotency_key: IdempotencyKey = None,
) -> Status[Dataset | DatasetImport]:
    """Format, encoding, type and columns are found in the file. The line of a fault is a line of the file, from 1.

    A file that takes longer to read than a request may last answers 202 with an import: ask for it until its state is
    `done` and it names its dataset.
    """
    user = current_user(request)
    made = once(
        user,
        scope="dataset",
        key=idempotency_key,
        create=lambda: bring_file(
            user, file=file, name=name, description=description, dataset_type=type or None
        ),
        find=partial(find_brought, user),
    )
    return Status(202 if isinstance(made, DatasetImport) else 201, made)


@router.get(
    "/{uuid:dataset_id}", response={200: DatasetSchema} | ERROR_RESPONSES, summary="One dataset"
)
def dataset_detail(request: HttpRequest, dataset_id: UUID) -> Dataset:
    return get_dataset(current_user(request), dataset_id)


@router.get(
    "/{uuid:dataset_id}/data",
    response={200: RecordList} | ERROR_RESPONSES,
    summary="Records of a dataset",
)
def dataset_data(
    request: HttpRequest, dataset_id: UUID, page: Query[ListPagination.Input]
) -> dict[str, Any]:
    version = latest_version(get_dataset(current_user(request), dataset_id))
    return {
        "items": read_records(version, limit=page.limit, offset=page.offset),
        "count": version.example_count,
    }


@router.delete(
    "/{uuid:dataset_id}", response={204: None} | ERROR_RESPONSES, summary="Delete a dataset"
)
def dataset_delete(request: HttpRequest, dataset_id: UUID) -> Status[None]:
    """409 while a training job refers to it."""
    user = current_user(request)
    delete_dataset(get_owned_dataset(user, dataset_id), actor=user)
    return Status(204, None)
