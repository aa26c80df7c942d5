"""API calls about files on their way to a dataset: follow, decide, discard, and fetch from the Hugging Face Hub."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest
from ninja import Status

from common.api import ERROR_RESPONSES, current_user
from common.errors import Fault, InvalidInputError
from datasets_app.api.router import router
from datasets_app.intake.mapping import ColumnMapping
from datasets_app.models import Dataset, DatasetImport
from datasets_app.schemas import DatasetSchema, DecisionIn, HubIn, ImportSchema
from datasets_app.selectors import get_import
from datasets_app.services.deciding import decide, discard
from datasets_app.services.fetching import fetch_from_hub
from datasets_app.wording.sentences import bad_mapping

ONE = "/imports/{uuid:import_id}"


@router.post(
    "/hub",
    response={202: ImportSchema} | ERROR_RESPONSES,
    summary="Fetch an allowed dataset of the Hugging Face Hub",
)
def hub_fetch(request: HttpRequest, body: HubIn) -> Status[DatasetImport]:
    source = body.dict(exclude={"name", "description", "type"})
    order = fetch_from_hub(
        current_user(request),
        source=source,
        name=body.name,
        description=body.description,
        dataset_type=body.type,
    )
    return Status(202, order)


@router.get(
    ONE,
    response={200: ImportSchema} | ERROR_RESPONSES,
    summary="How far the check of a large file is",
)
def import_detail(request: HttpRequest, import_id: UUID) -> DatasetImport:
    return get_import(current_user(request), import_id)


@router.post(
    ONE,
    response={201: DatasetSchema, 202: ImportSchema} | ERROR_RESPONSES,
    summary="Choose the columns of an import, or leave its rows with faults out",
)
def import_decide(
    request: HttpRequest, import_id: UUID, body: DecisionIn
) -> Status[Dataset | DatasetImport]:
    """201 with the dataset, or 202 while a worker reads the file or where another decision is needed."""
    order = get_import(current_user(request), import_id)
    mapping = ColumnMapping.from_dict(order.mapping)
    if body.mapping is not None:
        mapping = ColumnMapping.from_dict(body.mapping.dict())
        if mapping is None:
            sentence = bad_mapping()
            raise InvalidInputError(sentence, faults=[Fault(sentence, field="mapping")])
    made = decide(order, mapping=mapping, skips_rejected=body.skip_rejected)
    return Status(201 if isinstance(made, Dataset) else 202, made)


@router.delete(
    ONE,
    response={204: None} | ERROR_RESPONSES,
    summary="Discard an import",
)
def import_delete(request: HttpRequest, import_id: UUID) -> Status[None]:
    discard(get_import(current_user(request), import_id))
    return Status(204, None)
