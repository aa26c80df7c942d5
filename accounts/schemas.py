"""What the account calls of the API take and answer."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from ninja import Field, Schema

from accounts.models import ApiToken, User
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
