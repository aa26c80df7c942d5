"""API calls of a student who asks for help."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Field, Schema, Status

from common.api import ERROR_RESPONSES, current_user
from courses.api.router import router
from courses.models import HelpRequest
from courses.selectors.helping import place_of
from courses.selectors.progress import get_enrolment
from courses.services.helping import raise_hand, take_back


class HelpInput(Schema):
    text: str = Field("", description="What it is about; at most 500 characters")


class HelpSchema(Schema):
    """A raised hand."""

    state: str = Field(description="open or claimed")
    text: str
    place: int = Field(description="Among those who wait, from 1; 0 once somebody comes")
    helper: str | None = Field(description="Who comes")
    created_at: datetime


@router.post(
    "/courses/{slug:slug}/steps/{slug:key}/help",
    response={200: HelpSchema} | ERROR_RESPONSES,
    summary="Ask those who lead the class for help at a step",
)
def step_help(request: HttpRequest, slug: str, key: str, data: HelpInput) -> dict[str, Any]:
    """Asking again at the same step changes the text and keeps the place in line."""
    found = raise_hand(get_enrolment(current_user(request), slug), key, data.text)
    return _help(found)


@router.delete(
    "/courses/{slug:slug}/steps/{slug:key}/help",
    response={204: None} | ERROR_RESPONSES,
    summary="Take a request for help back",
)
def step_help_take_back(request: HttpRequest, slug: str, key: str) -> Status[None]:
    take_back(get_enrolment(current_user(request), slug), key)
    return Status(204, None)


def _help(found: HelpRequest) -> dict[str, Any]:
    return {
        "state": found.state,
        "text": found.text,
        "place": place_of(found),
        "helper": str(found.helper) if found.helper else None,
        "created_at": found.created_at,
    }
