"""One member of a class: their role, and removing them."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import Cohort, Membership
from accounts.roles import is_instructor
from common.errors import InvalidInputError
from common.http import AuthenticatedRequest
from courses.instructor.frame import Classroom, for_leaders, for_reviewers
from courses.instructor.refusals import refusals_answered
from courses.instructor.roster_frame import show
from courses.selectors.names import shown_names
from courses.selectors.pinned import pinned_courses
from courses.selectors.roster import get_member, rows_of
from courses.services.members import change_role, remove_member


@for_reviewers
@require_safe
def member(request: AuthenticatedRequest, classroom: Classroom, member_id: UUID) -> HttpResponse:
    return _page(request, classroom, member_id)


@for_leaders
@require_http_methods(["GET", "HEAD", "POST"])
def member_role(
    request: AuthenticatedRequest, classroom: Classroom, member_id: UUID
) -> HttpResponse:
    if request.method != "POST":
        # A refused change is shown at this address, and its page may be loaded anew.
        return redirect("classroom:member", classroom.cohort.pk, member_id)
    chosen, seen = request.POST.get("role", ""), request.POST.get("seen_role", "")
    try:
        with refusals_answered(request):
            changed = change_role(
                request.user, classroom.cohort, member_id, role=chosen, seen_role=seen
            )
            sentence = _("%(name)s has the role “%(role)s” now.")
            values = {"name": changed.user, "role": changed.get_role_display()}
            messages.success(request, sentence % values)
    except InvalidInputError as error:
        return _page(request, classroom, member_id, fault=str(error.message), status=422)
    if Cohort.objects.reviewed_by(request.user).filter(pk=classroom.cohort.pk).exists():
        return redirect("classroom:member", classroom.cohort.pk, member_id)
    # They made themselves a student.
    return redirect("accounts:class_list")


@for_leaders
@require_POST
def member_remove(
    request: AuthenticatedRequest, classroom: Classroom, member_id: UUID
) -> HttpResponse:
    seen = request.POST.get("seen_role", "")
    next_address = reverse("classroom:member", args=[classroom.cohort.pk, member_id])
    with refusals_answered(request):
        person = remove_member(request.user, classroom.cohort, member_id, seen_role=seen)
        messages.success(request, _("%(name)s is not in the class any more.") % {"name": person})
        is_self = person == request.user
        next_address = reverse("accounts:class_list") if is_self else classroom.address("roster")
    return redirect(next_address)


def _page(
    request: AuthenticatedRequest,
    classroom: Classroom,
    member_id: UUID,
    *,
    fault: str = "",
    status: int = 200,
) -> HttpResponse:
    found = get_member(classroom.cohort, member_id)
    if found is None:
        raise Http404(_("Nobody in this class has this address."))
    courses = pinned_courses(classroom.cohort)
    names = shown_names(classroom.cohort, is_projected=classroom.is_projected)
    (row,) = rows_of(classroom.cohort, courses, [found], names)
    context = {
        "row": row,
        "courses": list(zip(courses, row.cells, strict=True)),
        "roles": Membership.Role.choices,
        "can_instruct": is_instructor(request.user, classroom.cohort),
        "fault": fault,
    }
    return show(request, classroom, "roster_member", context, status=status)


urlpatterns = [
    path("<uuid:cohort_id>/roster/members/<uuid:member_id>/", member, name="member"),
    path("<uuid:cohort_id>/roster/members/<uuid:member_id>/role/", member_role, name="member_role"),
    path(
        "<uuid:cohort_id>/roster/members/<uuid:member_id>/remove/",
        member_remove,
        name="member_remove",
    ),
]
