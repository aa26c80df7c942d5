"""API calls about the caller: get a token, who am I."""

from __future__ import annotations

from django.contrib.auth import authenticate
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Router, Status
from ninja.errors import AuthenticationError

from accounts.models import User
from accounts.schemas import MeSchema, TokenAnswer, TokenRequest
from accounts.tokens import create_token
from common import rate_limit
from common.api import ERROR_RESPONSES, current_user

# Enough for a person who mistypes, too few for a program that guesses.
TRIES_PER_MINUTE = 10

router = Router(tags=["auth"])


@router.post(
    "/token", auth=None, response={201: TokenAnswer} | ERROR_RESPONSES, summary="Get an API token"
)
def get_token(request: HttpRequest, body: TokenRequest) -> Status[TokenAnswer]:
    address = request.META.get("REMOTE_ADDR", "")
    rate_limit.consume(
        "api-token", body.username.casefold(), address, limit=TRIES_PER_MINUTE, period_seconds=60
    )
    user = authenticate(request, username=body.username, password=body.password)
    if not isinstance(user, User):
        # The same sentence for an unknown name, a wrong password and a closed account: nothing to learn by trying.
        raise AuthenticationError(
            message=_("The username and the password do not match. Check both, then try again.")
        )
    token, plain = create_token(user, name=body.name, days=body.expires_in_days)
    return Status(201, TokenAnswer(token=plain, expires_at=token.expires_at))


@router.get("/me", response={200: MeSchema} | ERROR_RESPONSES, summary="Who the caller is")
def me(request: HttpRequest) -> User:
    return current_user(request)
