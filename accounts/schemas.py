"""What the account calls of the API take and answer."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from django.conf import settings
from ninja import Field, Schema
from pydantic import ConfigDict

from accounts.joining.codes import LONGEST_INPUT
from accounts.joining.entering import State
from accounts.models import ApiToken, Cohort, Membership, Notification, User
from accounts.notifications_wording import WORDS, notification_text, notification_title
from accounts.tokens import DEFAULT_DAYS


class TokenRequest(Schema):
    username: str = Field(min_length=1, max_length=254)
    password: str = Field(min_length=1, max_length=4096)
    name: str = Field("", max_length=ApiToken._meta.get_field("name").max_length)
    expires_in_days: int = Field(DEFAULT_DAYS, ge=1, le=settings.API_TOKEN_MAX_DAYS)


class TokenAnswer(Schema):
    token: str = Field(
        description="Send it as `Authorization: Bearer <token>`. It is shown only now."
    )
    expires_at: datetime


class MeSchema(Schema):
    id: int
    username: str
    display_name: str
    email: str
    language: str
    is_instructor: bool

    @staticmethod
    def resolve_is_instructor(user: User) -> bool:
        return user.is_staff


class NotificationSchema(Schema):
    id: UUID
    kind: str = Field(description=", ".join(WORDS))
    subject: str = Field(description="Of what it is about; for the kinds of a job, its id")
    title: str = Field(description="What happened, in the caller's language")
    text: str = Field(description="Why, and what to do next")
    path: str = Field(description="The page that it leads to")
    created_at: datetime
    seen_at: datetime | None

    @staticmethod
    def resolve_title(notification: Notification) -> str:
        return notification_title(notification)

    @staticmethod
    def resolve_text(notification: Notification) -> str:
        return notification_text(notification)


class SeenRequest(Schema):
    model_config = ConfigDict(extra="forbid")

    ids: list[UUID] | None = Field(
        None, max_length=200, description="Which notifications; all of them when it is left out"
    )


class UnseenAnswer(Schema):
    unseen_count: int


class CohortSchema(Schema):
    id: UUID
    name: str
    status: Cohort.Status
    starts_on: date | None
    ends_on: date | None


class JoinBody(Schema):
    model_config = ConfigDict(extra="forbid")

    code: str = Field(
        min_length=1,
        max_length=LONGEST_INPUT,
        description="The join code of a class; case, spaces and hyphens do not matter",
    )


class JoinAnswer(Schema):
    cohort: CohortSchema
    role: Membership.Role = Field(description="For one who waits, the role they will have")
    state: State = Field(description="waiting: until somebody who leads the class accepts")


class MyCohortSchema(Schema):
    cohort: CohortSchema
    role: Membership.Role
    joined_at: datetime = Field(alias="created_at")
