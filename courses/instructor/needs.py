"""Who needs somebody now: raised hands and students who are stuck, and what a leader can do about it."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import trigger_client_event

from common.errors import ConflictError, NotFoundError
from common.http import AuthenticatedRequest
from courses.instructor.frame import Classroom, for_leaders, for_reviewers, render_page
from courses.instructor.live_view import LiveView
from courses.instructor.opening import open_for_all
from courses.instructor.pieces import page_context, render_pieces
from courses.models import HelpRequest
from courses.selectors.helping import get_request
from courses.services import helping


@for_reviewers
def needs(request: AuthenticatedRequest, classroom: Classroom) -> HttpResponse:
    view = LiveView.from_query(request.GET.dict())
    context = page_context("needs", classroom.cohort, view, can_lead=classroom.can_lead)
    return render_page(request, classroom, "needs", context)


@for_reviewers
def needs_pieces(request: AuthenticatedRequest, classroom: Classroom) -> HttpResponse:
    """The parts of the page, for a page whose socket is closed."""
    return _pieces(request, classroom)


@for_leaders
def help_claim(
    request: AuthenticatedRequest, classroom: Classroom, request_id: UUID
) -> HttpResponse:
    found = _request(classroom, request_id)
    try:
        helping.claim(request.user, found)
    except ConflictError as error:
        return _answer(request, classroom, str(error.message), messages.WARNING)
    return _answer(request, classroom, _("The student sees that you are coming."))


@for_leaders
def help_resolve(
    request: AuthenticatedRequest, classroom: Classroom, request_id: UUID
) -> HttpResponse:
    helping.resolve(request.user, _request(classroom, request_id))
    return _answer(request, classroom, _("The request for help is resolved."))


@for_leaders
def step_open_for_all(
    request: AuthenticatedRequest, classroom: Classroom, slug: str, key: str
) -> HttpResponse:
    return _answer(request, classroom, open_for_all(request, classroom, slug, key))


def _request(classroom: Classroom, request_id: UUID) -> HelpRequest:
    try:
        return get_request(classroom.cohort, request_id)
    except NotFoundError as error:
        raise Http404(error.message) from error


def _answer(
    request: AuthenticatedRequest,
    classroom: Classroom,
    sentence: str,
    level: int = messages.SUCCESS,
) -> HttpResponse:
    """The list as it is now, with what happened in a sentence."""
    if request.htmx:
        return trigger_client_event(_pieces(request, classroom), "toast", {"value": sentence})
    messages.add_message(request, level, sentence)
    return redirect(classroom.address("needs"))


def _pieces(request: AuthenticatedRequest, classroom: Classroom) -> HttpResponse:
    view = LiveView.from_query(request.GET.dict())
    pieces = render_pieces("needs", classroom.cohort, view, can_lead=classroom.can_lead)
    return HttpResponse("".join(pieces.values()))


urlpatterns = [
    path("<uuid:cohort_id>/needs/", require_safe(needs), name="needs"),
    path("<uuid:cohort_id>/needs/pieces/", require_safe(needs_pieces), name="needs_pieces"),
    path(
        "<uuid:cohort_id>/needs/<uuid:request_id>/claim/",
        require_POST(help_claim),
        name="help_claim",
    ),
    path(
        "<uuid:cohort_id>/needs/<uuid:request_id>/resolve/",
        require_POST(help_resolve),
        name="help_resolve",
    ),
    path(
        "<uuid:cohort_id>/needs/<slug:slug>/open/<slug:key>/",
        require_POST(step_open_for_all),
        name="step_open_for_all",
    ),
]
