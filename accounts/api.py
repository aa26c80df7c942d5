"""API calls about the caller: get a token, who am I, my classes, what happened meanwhile."""

from __future__ import annotations

from typing import Annotated

from django.contrib.auth import authenticate
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query, Router, Status
from ninja.errors import AuthenticationError

from accounts.joining.entering import class_of_code
from accounts.joining.entering import join as join_class
from accounts.models import Membership, Notification, User
from accounts.notifications import mark_all_seen, notifications_of, unseen_of
from accounts.schemas import (
    JoinAnswer,
    JoinBody,
    MeSchema,
    MyCohortSchema,
    NotificationSchema,
    SeenRequest,
    TokenAnswer,
    TokenRequest,
    UnseenAnswer,
)
from accounts.tokens import create_token
from common import rate_limit
from common.api import ERROR_RESPONSES, current_user, paginated

# Enough for a person who mistypes, too few for a program that guesses.
TRIES_PER_MINUTE = 10

router = Router(tags=["auth"])
notifications_router = Router(tags=["notifications"])
cohorts_router = Router(tags=["cohorts"])


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


@notifications_router.get(
    "",
    response={200: list[NotificationSchema]} | ERROR_RESPONSES,
    summary="What happened, newest first",
)
@paginated
def list_notifications(
    request: HttpRequest,
    unseen: Annotated[bool, Query(False, description="Only those that were not seen yet")],
) -> QuerySet[Notification]:
    return notifications_of(current_user(request), only_unseen=unseen)


@notifications_router.post(
    "/seen", response={200: UnseenAnswer} | ERROR_RESPONSES, summary="Mark notifications as seen"
)
def mark_notifications_seen(request: HttpRequest, body: SeenRequest) -> UnseenAnswer:
    user = current_user(request)
    mark_all_seen(user, body.ids)
    return UnseenAnswer(unseen_count=unseen_of(user).count)


@cohorts_router.post(
    "/cohorts/join",
    response={200: JoinAnswer, 201: JoinAnswer} | ERROR_RESPONSES,
    summary="Join a class by its code; 200 when the caller has done so before",
)
def join_cohort(request: HttpRequest, body: JoinBody) -> Status[JoinAnswer]:
    user = current_user(request)
    cohort = class_of_code(user, request.META.get("REMOTE_ADDR", ""), body.code)
    entry = join_class(user, cohort)
    return Status(201 if entry.is_new else 200, JoinAnswer.from_orm(entry))


@cohorts_router.get(
    "/me/cohorts",
    response={200: list[MyCohortSchema]} | ERROR_RESPONSES,
    summary="The caller's classes, those joined last first",
)
@paginated
def my_cohorts(request: HttpRequest) -> QuerySet[Membership]:
    mine = Membership.objects.filter(user=current_user(request)).select_related("cohort")
    return mine.order_by("-created_at")
