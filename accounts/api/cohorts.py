"""API calls about the caller's classes."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Router, Status

from accounts.joining.entering import class_of_code
from accounts.joining.entering import join as join_class
from accounts.models import Membership
from accounts.schemas import JoinAnswer, JoinBody, MyCohortSchema
from common.api import ERROR_RESPONSES, current_user, paginated

router = Router(tags=["cohorts"])


@router.post(
    "/cohorts/join",
    response={200: JoinAnswer, 201: JoinAnswer} | ERROR_RESPONSES,
    summary="Join a class by its code; 200 when the caller has done so before",
)
def join_cohort(request: HttpRequest, body: JoinBody) -> Status[JoinAnswer]:
    user = current_user(request)
    cohort = class_of_code(user, request.META.get("REMOTE_ADDR", ""), body.code)
    entry = join_class(user, cohort)
    return Status(201 if entry.is_new else 200, JoinAnswer.from_orm(entry))


@router.get(
    "/me/cohorts",
    response={200: list[MyCohortSchema]} | ERROR_RESPONSES,
    summary="The caller's classes, those joined last first",
)
@paginated
def my_cohorts(request: HttpRequest) -> QuerySet[Membership]:
    mine = Membership.objects.filter(user=current_user(request)).select_related("cohort")
    return mine.order_by("-created_at")
