"""API calls about what happened meanwhile."""

from __future__ import annotations

from typing import Annotated

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Query, Router

from accounts.models import Notification
from accounts.notifications import mark_all_seen, notifications_of, unseen_of
from accounts.schemas import NotificationSchema, SeenRequest, UnseenAnswer
from common.api import ERROR_RESPONSES, current_user, paginated

router = Router(tags=["notifications"])


@router.get(
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


@router.post(
    "/seen", response={200: UnseenAnswer} | ERROR_RESPONSES, summary="Mark notifications as seen"
)
def mark_notifications_seen(request: HttpRequest, body: SeenRequest) -> UnseenAnswer:
    user = current_user(request)
    mark_all_seen(user, body.ids)
    return UnseenAnswer(unseen_count=unseen_of(user).count)
