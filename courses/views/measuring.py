"""Measure a job on the hidden questions, and see the numbers."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from common.errors import ConflictError, NotFoundError, TooManyRequestsError
from common.http import AuthenticatedRequest
from courses.models import Enrolment
from courses.selectors.measuring import shown_measuring
from courses.selectors.pinned import reading_language
from courses.selectors.progress import standing_of
from courses.services.measuring import measure
from courses.views.steps import own_enrolment, show_step


@login_required
@require_safe
def step_measuring(request: AuthenticatedRequest, slug: str, key: str) -> HttpResponse:
    """The part of the step's page; 204 while it stands as the page says."""
    return _part(request, own_enrolment(request, slug), key, mark=request.GET.get("mark", ""))


@login_required
@require_POST
def step_measure(request: AuthenticatedRequest, slug: str, key: str) -> HttpResponse:
    enrolment = own_enrolment(request, slug)
    try:
        job_id = UUID(request.POST.get("job", ""))
    except ValueError:
        return _refuse(request, enrolment, key, _("Choose a job to measure."))
    try:
        measure(enrolment, key, job_id, language=reading_language())
    except NotFoundError as error:
        raise Http404(error.message) from error
    except (ConflictError, TooManyRequestsError) as error:
        return _refuse(request, enrolment, key, str(error.message))
    if request.htmx:
        return _part(request, enrolment, key)
    return redirect(reverse("courses:step_detail", args=[slug, key]) + "#measuring")


def _refuse(
    request: AuthenticatedRequest, enrolment: Enrolment, key: str, sentence: str
) -> HttpResponse:
    if request.htmx:
        return _part(request, enrolment, key, fault=sentence)
    return show_step(request, enrolment, key, status=422, faults={"measuring": sentence})


def _part(
    request: AuthenticatedRequest,
    enrolment: Enrolment,
    key: str,
    *,
    mark: str = "",
    fault: str = "",
) -> HttpResponse:
    course = standing_of(enrolment)
    try:
        item = course.of(key)
        item.check_open()
    except (NotFoundError, ConflictError) as error:
        raise Http404(error.message) from error
    shown = shown_measuring(course, item, reading_language())
    if shown is None:
        raise Http404
    if mark and mark == shown.mark:
        return HttpResponse(status=204)
    context = {
        "measuring": shown,
        "slug": enrolment.course.slug,
        "key": key,
        "faults": {"measuring": fault} if fault else {},
    }
    response = render(request, "courses/step_measuring.html", context, status=422 if fault else 200)
    if shown.under_way is None and not fault:
        # What the step asks for has been looked at again.
        response["HX-Trigger-After-Settle"] = "checks-changed"
    return response
