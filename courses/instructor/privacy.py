"""The page about the data of a class: requests, how long work is kept, and the log."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Cohort, User
from accounts.privacy.asking import ask_erasure_of_student, cancel_student_request
from common.errors import ConflictError, NotFoundError
from common.http import AuthenticatedRequest
from courses.instructor.frame import Classroom, for_leaders, for_reviewers, render_page
from courses.instructor.privacy_forms import EraseStudentForm, RetentionForm
from courses.selectors.names import shown_names
from courses.selectors.privacy import (
    LogFilter,
    erasable_choices,
    erased_on,
    log_of,
    requests_of,
)
from courses.services.retaining import set_retention

TAB = "privacy"


@require_safe
@for_reviewers
def privacy(request: AuthenticatedRequest, classroom: Classroom) -> HttpResponse:
    return _page(request, classroom)


@require_POST
@for_leaders
def retention(request: AuthenticatedRequest, classroom: Classroom) -> HttpResponse:
    # The form writes into its instance, also what is wrong.
    form = RetentionForm(request.POST, instance=Cohort.objects.get(pk=classroom.cohort.pk))
    if not form.is_valid():
        return _page(request, classroom, retention_form=form, status=422)
    set_retention(request.user, classroom.cohort, form.cleaned_data["retention_days"])
    messages.success(request, _("Saved how long the work of this class is kept."))
    return redirect(classroom.address(TAB))


@require_POST
@for_leaders
def erase(request: AuthenticatedRequest, classroom: Classroom) -> HttpResponse:
    names = shown_names(classroom.cohort, is_projected=classroom.is_projected)
    choices = erasable_choices(request.user, classroom.cohort, names)
    form = EraseStudentForm(choices, request.POST)
    if not form.is_valid():
        return _page(request, classroom, erase_form=form, status=422)
    person = User.objects.get(pk=form.cleaned_data["student"])
    try:
        ask_erasure_of_student(request.user, classroom.cohort, person)
    except (ConflictError, NotFoundError) as error:
        form.add_error("student", str(error.message))
        return _page(request, classroom, erase_form=form, status=422)
    messages.success(
        request,
        _("%(name)s will be erased in 7 days. Until then both of you can take it back.")
        % {"name": names[person.pk]},
    )
    return redirect(classroom.address(TAB))


@require_POST
@for_leaders
def cancel(
    request: AuthenticatedRequest, classroom: Classroom, *, request_id: UUID
) -> HttpResponse:
    try:
        cancel_student_request(request.user, classroom.cohort, request_id)
    except NotFoundError as error:
        raise Http404(error.message) from error
    except ConflictError as error:
        messages.error(request, str(error.message))
    else:
        messages.success(request, _("The request is taken back. Nothing is erased."))
    return redirect(classroom.address(TAB))


urlpatterns = [
    path("<uuid:cohort_id>/privacy/", privacy, name="privacy"),
    path("<uuid:cohort_id>/privacy/retention/", retention, name="privacy_retention"),
    path("<uuid:cohort_id>/privacy/erase/", erase, name="privacy_erase"),
    path(
        "<uuid:cohort_id>/privacy/requests/<uuid:request_id>/cancel/",
        cancel,
        name="privacy_cancel",
    ),
]


def _page(
    request: AuthenticatedRequest,
    classroom: Classroom,
    *,
    retention_form: RetentionForm | None = None,
    erase_form: EraseStudentForm | None = None,
    status: int = 200,
) -> HttpResponse:
    cohort = classroom.cohort
    names = shown_names(cohort, is_projected=classroom.is_projected)
    wanted = _wanted(request)
    log = log_of(
        cohort,
        wanted,
        number=request.GET.get("page", "1"),
        is_projected=classroom.is_projected,
    )
    context: dict[str, Any] = {
        "requests": requests_of(cohort, names),
        "erased_on": erased_on(cohort),
        "log": log,
        "wanted": wanted,
    }
    if classroom.can_lead:
        choices = erasable_choices(request.user, cohort, names)
        context |= {
            "retention_form": retention_form or RetentionForm(instance=cohort),
            "erase_form": erase_form or EraseStudentForm(choices),
            "has_erasable": bool(choices),
        }
    return render_page(request, classroom, TAB, context, status=status)


def _wanted(request: AuthenticatedRequest) -> LogFilter:
    person = request.GET.get("person", "")
    return LogFilter(
        kind=request.GET.get("kind", "").replace("\0", "")[:40],
        # Digits of a size that every database can hold.
        person=int(person) if person.isascii() and person.isdigit() and len(person) < 10 else None,
    )
