"""API calls about who may see a dataset, the rows that a class adds, and the space that is used."""

from __future__ import annotations

import json
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Status

from accounts.models import Cohort, User
from common.api import ERROR_RESPONSES, current_user
from common.errors import ForbiddenError, NotFoundError
from datasets_app.api.router import router
from datasets_app.models import Contribution, Dataset, DatasetVersion
from datasets_app.quotas import SpaceUse, user_space
from datasets_app.schemas import (
    ClassDatasetIn,
    DatasetSchema,
    ReviewIn,
    RowIn,
    RowSchema,
    SharingSchema,
    SpaceSchema,
    VersionSchema,
)
from datasets_app.selectors import get_dataset
from datasets_app.services.class_datasets import create_class_dataset
from datasets_app.services.class_rows import (
    accept_rows,
    add_row,
    reject_rows,
    save_accepted_rows,
    withdraw_row,
)
from datasets_app.services.sharing import share_dataset
from datasets_app.sharing.audience import Audience
from datasets_app.sharing.row_rights import row_rights

ONE = "/{uuid:dataset_id}"


@router.get("/space", response={200: SpaceSchema} | ERROR_RESPONSES, summary="Your space")
def space(request: HttpRequest) -> SpaceUse:
    return user_space(current_user(request))


@router.get(
    f"{ONE}/sharing",
    response={200: SharingSchema} | ERROR_RESPONSES,
    summary="Who may see a dataset",
)
def sharing_detail(request: HttpRequest, dataset_id: UUID) -> Dataset:
    return get_dataset(current_user(request), dataset_id)


@router.put(
    f"{ONE}/sharing",
    response={200: SharingSchema} | ERROR_RESPONSES,
    summary="Choose who may see a dataset",
)
def sharing_update(request: HttpRequest, dataset_id: UUID, body: SharingSchema) -> Dataset:
    """private; cohort, with cohort_id of a cohort of yours; course, with a course, for instructors."""
    user = current_user(request)
    dataset = get_dataset(user, dataset_id)
    cohort = _cohort_of(user, body.cohort_id) if body.cohort_id else None
    visibility = Dataset.Visibility(body.visibility)
    share_dataset(user, dataset, Audience(visibility, cohort=cohort, course=body.course))
    return dataset


@router.post(
    "/class",
    response={201: DatasetSchema} | ERROR_RESPONSES,
    summary="Make a dataset to which a cohort adds rows",
)
def class_dataset_create(request: HttpRequest, body: ClassDatasetIn) -> Status[Dataset]:
    user = current_user(request)
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in body.data)
    dataset = create_class_dataset(
        user,
        _cohort_of(user, body.cohort_id),
        name=body.name,
        description=body.description,
        dataset_type=body.type,
        rows=lines,
    )
    return Status(201, dataset)


@router.get(
    f"{ONE}/class-rows",
    response={200: list[RowSchema]} | ERROR_RESPONSES,
    summary="Rows of a class dataset: your own, or all for those who lead the cohort",
)
def class_row_list(request: HttpRequest, dataset_id: UUID) -> QuerySet[Contribution]:
    user = current_user(request)
    dataset = get_dataset(user, dataset_id)
    rights = row_rights(user, dataset)
    rows = dataset.contributions.select_related("author")
    return rows if rights.may_review or rights.may_watch else rows.filter(author=user)


@router.post(
    f"{ONE}/class-rows",
    response={201: RowSchema} | ERROR_RESPONSES,
    summary="Offer a row to a class dataset",
)
def class_row_create(request: HttpRequest, dataset_id: UUID, body: RowIn) -> Status[Contribution]:
    user = current_user(request)
    dataset = get_dataset(user, dataset_id)
    return Status(201, add_row(user, dataset, question=body.question, answer=body.answer))


@router.delete(
    f"{ONE}/class-rows/{{uuid:row_id}}",
    response={204: None} | ERROR_RESPONSES,
    summary="Withdraw a row of yours that still waits",
)
def class_row_delete(request: HttpRequest, dataset_id: UUID, row_id: UUID) -> Status[None]:
    user = current_user(request)
    if not withdraw_row(user, get_dataset(user, dataset_id), row_id):
        raise NotFoundError(_("This row does not wait any more, so nothing was changed."))
    return Status(204, None)


@router.post(
    f"{ONE}/class-rows/review",
    response={200: dict[str, int]} | ERROR_RESPONSES,
    summary="Accept or reject rows that wait",
)
def class_row_review(request: HttpRequest, dataset_id: UUID, body: ReviewIn) -> dict[str, int]:
    """Answers how many of them still waited."""
    user = current_user(request)
    dataset = get_dataset(user, dataset_id)
    if body.accept:
        return {"count": accept_rows(user, dataset, body.row_ids)}
    return {"count": reject_rows(user, dataset, body.row_ids, reason=body.reason)}


@router.post(
    f"{ONE}/class-rows/save",
    response={201: VersionSchema, 204: None} | ERROR_RESPONSES,
    summary="Cut a version with the accepted rows",
)
def class_row_save(request: HttpRequest, dataset_id: UUID) -> Status[DatasetVersion] | Status[None]:
    """204 when the dataset holds all accepted rows already."""
    user = current_user(request)
    version = save_accepted_rows(user, get_dataset(user, dataset_id))
    return Status(204, None) if version is None else Status(201, version)


def _cohort_of(user: User, cohort_id: UUID) -> Cohort:
    cohort = Cohort.objects.of(user).filter(pk=cohort_id).first()
    if cohort is None:
        raise ForbiddenError(_("You are in no such cohort. Ask your instructor to add you."))
    return cohort
