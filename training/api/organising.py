"""API calls with which a person names, describes, tags, stars and archives a job."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Field, Schema
from pydantic import ConfigDict

from common.api import ERROR_RESPONSES, current_user
from training import selectors
from training.api.router import router
from training.models import TrainingJob
from training.notebook.limits import (
    MAX_CHARACTERS,
    MAX_NAME_CHARACTERS,
    MAX_TAG_CHARACTERS,
    MAX_TAGS,
)
from training.notebook.texts import text_version
from training.schemas import JobSchema
from training.services.organising import Changes, organise


class TextsBefore(Schema):
    model_config = ConfigDict(extra="forbid")

    notes: str | None = None
    prediction: str | None = None
    explanation: str | None = None


class JobChanges(Schema):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(None, description=f"At most {MAX_NAME_CHARACTERS} characters")
    notes: str | None = Field(None, description=f"At most {MAX_CHARACTERS['notes']} characters")
    prediction: str | None = Field(
        None,
        description=(
            f"What you expect, at most {MAX_CHARACTERS['prediction']} characters; "
            "fixed once the first step was measured"
        ),
    )
    explanation: str | None = Field(
        None,
        description=f"What happened, and why: at most {MAX_CHARACTERS['explanation']} characters",
    )
    tags: list[str] | None = Field(
        None,
        max_length=200,
        description=f"At most {MAX_TAGS} of {MAX_TAG_CHARACTERS} characters; a comma separates two",
    )
    is_starred: bool | None = None
    archived: bool | None = None
    before: TextsBefore | None = Field(
        None,
        description=(
            "Texts as you read them. When one of them is another now, nothing is changed "
            "and the answer is 409 changed_meanwhile."
        ),
    )


@router.patch(
    "/jobs/{uuid:job_id}",
    response={200: JobSchema} | ERROR_RESPONSES,
    summary="Name, describe, tag, star or archive a job",
)
def change_job(request: HttpRequest, job_id: UUID, body: JobChanges) -> TrainingJob:
    user = current_user(request)
    organise(selectors.get_job(user, job_id), _changes(body))
    return selectors.get_job(user, job_id)


def _changes(body: JobChanges) -> Changes:
    given: dict[str, Any] = body.model_dump(exclude_none=True)
    before = given.pop("before", {})
    if "archived" in given:
        given["is_archived"] = given.pop("archived")
    return Changes(**given, before={field: text_version(text) for field, text in before.items()})
