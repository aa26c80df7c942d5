"""The join code of a class, and the people who wait to be let in."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.joining.services import accept, close_joining, decline, open_joining
from accounts.models import JoinRequest
from common.errors import InvalidInputError
from common.http import AuthenticatedRequest
from courses.instructor.frame import Classroom, for_leaders
from courses.instructor.refusals import refusals_answered

DAYS = (1, 7, 14, 30, 90)
DEFAULT_DAYS = 14


def join_link(request: HttpRequest, code: str) -> str:
    return request.build_absolute_uri(reverse("accounts:join_class", args=[code]))


@for_leaders
@require_POST
def roster_code(request: AuthenticatedRequest, classroom: Classroom) -> HttpResponse:
    """Make a new code, after which the old one does not work any more, or let nobody join by a code."""
    try:
        with refusals_answered(request):
            _change_code(request, classroom)
    except InvalidInputError as error:
        messages.warning(request, str(error.message))
    return redirect(classroom.address("roster"))


def _change_code(request: AuthenticatedRequest, classroom: Classroom) -> None:
    match request.POST.get("action"):
        case "open":
            open_joining(request.user, classroom.cohort, days=_days(request))
            messages.success(request, _("The class has a new join code."))
        case "close":
            close_joining(request.user, classroom.cohort)
            messages.success(request, _("Nobody can join by a code now."))
        case _other:
            raise Http404


def _days(request: AuthenticatedRequest) -> int:
    chosen = request.POST.get("days", str(DEFAULT_DAYS))
    if chosen not in map(str, DAYS):
        raise Http404
    return int(chosen)


@for_leaders
@require_POST
def roster_request(
    request: AuthenticatedRequest, classroom: Classroom, request_id: UUID
) -> HttpResponse:
    """Let in somebody who asked, or not."""
    asked = get_object_or_404(
        JoinRequest.objects.select_related("user", "cohort"),
        cohort=classroom.cohort,
        pk=request_id,
    )
    name = {"name": asked.user}
    with refusals_answered(request):
        match request.POST.get("action"):
            case "accept":
                accept(request.user, asked)
                messages.success(request, _("%(name)s is in the class now.") % name)
            case "decline":
                decline(request.user, asked)
                messages.success(request, _("%(name)s was not let in.") % name)
            case _other:
                raise Http404
    return redirect(classroom.address("roster"))


urlpatterns = [
    path("<uuid:cohort_id>/roster/code/", roster_code, name="roster_code"),
    path(
        "<uuid:cohort_id>/roster/requests/<uuid:request_id>/", roster_request, name="roster_request"
    ),
]
