"""API calls about prompt sets: the questions that a person keeps."""

from __future__ import annotations

from datetime import datetime
from typing import BinaryIO, cast
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import get_language
from ninja import Field, File, Form, Schema, Status
from ninja.files import UploadedFile
from pydantic import ConfigDict

from chat.api.router import router
from chat.models import PromptSet
from chat.prompt_sets.finding import get_set, sets_of
from chat.prompt_sets.items import MAX_ITEMS, Item, Located, read_items
from chat.prompt_sets.reading import read_csv
from chat.prompt_sets.sources import CourseQuestions, course_questions
from chat.services.prompt_sets import (
    create_set,
    delete_set,
    duplicate_set,
    rename_set,
    replace_items,
)
from common.api import ERROR_RESPONSES, current_user, paginated


class ItemSchema(Schema):
    prompt: str = Field(description="The question")
    reference: str = Field(
        default="", description="The answer hoped for; empty where there is none"
    )


class SetRequest(Schema):
    model_config = ConfigDict(extra="forbid")

    name: str
    items: list[ItemSchema] = Field(description=f"At most {MAX_ITEMS}")


class SetChanges(Schema):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    items: list[ItemSchema] | None = Field(default=None, description="All of them anew")
    seen_digest: str = Field(
        default="",
        description="When given, nothing is changed unless the set still has this digest",
    )


class SetSummarySchema(Schema):
    id: UUID
    name: str
    item_count: int
    digest: str = Field(description="sha256 of the questions and hoped-for answers")
    created_at: datetime
    updated_at: datetime

    @staticmethod
    def resolve_item_count(prompt_set: PromptSet) -> int:
        return len(prompt_set.items)


class SetSchema(SetSummarySchema):
    items: list[ItemSchema]


class CourseQuestionsSchema(Schema):
    id: str = Field(description="For course_id of a run")
    title: str
    language: str
    digest: str
    items: list[ItemSchema]


@router.get(
    "/prompt-sets",
    response={200: list[SetSummarySchema]} | ERROR_RESPONSES,
    summary="The caller's prompt sets, the one changed last first",
)
@paginated
def list_prompt_sets(request: HttpRequest) -> QuerySet[PromptSet]:
    return sets_of(current_user(request))


@router.post(
    "/prompt-sets",
    response={201: SetSchema} | ERROR_RESPONSES,
    summary="Keep a set of questions",
)
def create_prompt_set(request: HttpRequest, body: SetRequest) -> Status[PromptSet]:
    user = current_user(request)
    return Status(201, create_set(user, name=body.name, items=_items(body.items)))


@router.post(
    "/prompt-sets/upload",
    response={201: SetSchema} | ERROR_RESPONSES,
    summary="Keep the questions of a CSV file",
)
def upload_prompt_set(
    request: HttpRequest, name: Form[str], file: File[UploadedFile]
) -> Status[PromptSet]:
    """The first line names the columns: `prompt` and `reference`, or 質問 and 答え."""
    user = current_user(request)
    return Status(201, create_set(user, name=name, items=read_csv(cast(BinaryIO, file))))


@router.get(
    "/prompt-sets/courses",
    response={200: list[CourseQuestionsSchema]} | ERROR_RESPONSES,
    summary="Questions of the courses, in the caller's language",
)
@paginated
def list_course_questions(request: HttpRequest) -> list[CourseQuestions]:
    return course_questions(get_language() or "en")


@router.get(
    "/prompt-sets/{uuid:set_id}",
    response={200: SetSchema} | ERROR_RESPONSES,
    summary="One prompt set with its questions",
)
def one_prompt_set(request: HttpRequest, set_id: UUID) -> PromptSet:
    return get_set(current_user(request), set_id)


@router.patch(
    "/prompt-sets/{uuid:set_id}",
    response={200: SetSchema} | ERROR_RESPONSES,
    summary="Rename a prompt set, or replace its questions",
)
def change_prompt_set(request: HttpRequest, set_id: UUID, body: SetChanges) -> PromptSet:
    """Runs that have begun keep the questions as they were."""
    prompt_set = get_set(current_user(request), set_id)
    with transaction.atomic():
        if body.items is not None:
            prompt_set = replace_items(prompt_set, _items(body.items), body.seen_digest)
        if body.name is not None:
            prompt_set = rename_set(prompt_set, body.name)
    return prompt_set


@router.post(
    "/prompt-sets/{uuid:set_id}/duplicate",
    response={201: SetSchema} | ERROR_RESPONSES,
    summary="A copy of a prompt set",
)
def copy_prompt_set(request: HttpRequest, set_id: UUID) -> Status[PromptSet]:
    return Status(201, duplicate_set(get_set(current_user(request), set_id)))


@router.delete(
    "/prompt-sets/{uuid:set_id}",
    response={204: None} | ERROR_RESPONSES,
    summary="Delete a prompt set; its runs stay",
)
def remove_prompt_set(request: HttpRequest, set_id: UUID) -> Status[None]:
    delete_set(get_set(current_user(request), set_id))
    return Status(204, None)


def _items(rows: list[ItemSchema]) -> list[Item]:
    """The line of a fault is the number of the question."""
    located = (
        Located(row.prompt, row.reference, line=number) for number, row in enumerate(rows, start=1)
    )
    return read_items(located)
