"""The devices of a class: what they work on, who waits, the class's limits and the times reserved for it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.roles import check_instructor, is_instructor
from common.errors import ForbiddenError, InvalidInputError, NotFoundError
from common.http import AuthenticatedRequest
from courses.forms.compute import PolicyForm
from courses.instructor.frame import Classroom, for_leaders, for_reviewers, render_page
from courses.selectors.class_compute import compute_board, policy_of, windows_of
from courses.selectors.class_time import zone_of
from courses.selectors.runs import OwnerNames
from courses.services.class_compute import add_window, change_policy, remove_window
from training.services.queueing import pause_cohort, resume_cohort


@require_safe
@for_reviewers
def compute(request: AuthenticatedRequest, classroom: Classroom) -> HttpResponse:
    return _show(request, classroom)


@require_POST
@for_leaders
def compute_policy(request: AuthenticatedRequest, classroom: Classroom) -> HttpResponse:
    try:
        check_instructor(request.user, classroom.cohort)
    except ForbiddenError as error:
        raise PermissionDenied(str(error.message)) from error
    form = PolicyForm(request.POST, instance=policy_of(classroom.cohort))
    if not form.is_valid():
        return _show(request, classroom, form=form)
    changed = change_policy(request.user, classroom.cohort, form.cleaned_data)
    if changed:
        messages.success(request, _("The limits of the class are saved."))
    else:
        messages.info(request, _("Nothing was changed: the limits were so already."))
    return redirect(classroom.address("compute"))


@require_POST
@for_leaders
def compute_pause(request: AuthenticatedRequest, classroom: Classroom, action: str) -> HttpResponse:
    cohort = classroom.cohort
    if action == "pause":
        pause_cohort(cohort, by=request.user)
        sentence = _("Nothing of “%(name)s” starts now. What runs goes on.")
    elif action == "resume":
        resume_cohort(cohort, by=request.user)
        sentence = _("The jobs of “%(name)s” start again.")
    else:
        raise Http404
    messages.success(request, sentence % {"name": cohort.name})
    return redirect(classroom.address("compute"))


@require_POST
@for_leaders
def compute_window_add(request: AuthenticatedRequest, classroom: Classroom) -> HttpResponse:
    typed = {name: request.POST.get(name, "") for name in ("starts_at", "ends_at")}
    try:
        add_window(request.user, classroom.cohort, starts=typed["starts_at"], ends=typed["ends_at"])
    except InvalidInputError as error:
        faults = {fault.field: str(fault.message) for fault in error.faults}
        return _show(request, classroom, typed=typed, faults=faults)
    messages.success(request, _("The devices are reserved for the class then."))
    return redirect(f"{classroom.address('compute')}#windows")


@require_POST
@for_leaders
def compute_window_remove(
    request: AuthenticatedRequest, classroom: Classroom, window_id: UUID
) -> HttpResponse:
    try:
        remove_window(request.user, classroom.cohort, window_id)
    except NotFoundError as error:
        raise Http404(str(error.message)) from error
    messages.success(request, _("The class time was removed."))
    return redirect(f"{classroom.address('compute')}#windows")


def _show(request: AuthenticatedRequest, classroom: Classroom, **refused: Any) -> HttpResponse:
    """
    Args:
        refused: what a form could not use, and why.
    """
    cohort = classroom.cohort
    # A form that was refused has written what was typed into its own copy.
    policy = policy_of(cohort)
    names = OwnerNames.of(cohort, is_projected=classroom.is_projected)
    context = {
        "board": compute_board(request.user, cohort, policy, names),
        "policy": policy,
        "may_set_limits": classroom.can_lead and is_instructor(request.user, cohort),
        "form": PolicyForm(instance=policy),
        "windows": windows_of(cohort),
        "zone": zone_of(cohort),
        "back": classroom.address("compute"),
    }
    return render_page(
        request,
        classroom,
        "compute",
        context | refused,
        partial="compute-live",
        status=422 if refused else 200,
    )


BASE = "<uuid:cohort_id>/compute/"
urlpatterns = [
    path(BASE, compute, name="compute"),
    path(f"{BASE}policy/", compute_policy, name="compute_policy"),
    path(f"{BASE}windows/", compute_window_add, name="compute_window_add"),
    path(
        f"{BASE}windows/<uuid:window_id>/remove/",
        compute_window_remove,
        name="compute_window_remove",
    ),
    path(f"{BASE}queue/<slug:action>/", compute_pause, name="compute_pause"),
]
