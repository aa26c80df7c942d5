"""Another due date for students who were chosen in the roster."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from common.errors import InvalidInputError
from common.http import AuthenticatedRequest
from courses.instructor.frame import Classroom, for_leaders
from courses.instructor.refusals import refusals_answered
from courses.instructor.roster_forms import ExtensionForm
from courses.instructor.roster_frame import show
from courses.selectors.class_time import zone_of
from courses.selectors.due import Due, DueDates
from courses.selectors.pinned import PinnedCourse, pinned_courses
from courses.selectors.roster import students_of
from courses.services.extending import extend_due, reset_due

# The database has no room for longer ones.
_ID = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class ChosenStudent:
    """dues: of each course of the class."""

    user_id: int
    name: str
    dues: tuple[Due | None, ...]


@for_leaders
@require_http_methods(["GET", "HEAD", "POST"])
def roster_due(request: AuthenticatedRequest, classroom: Classroom) -> HttpResponse:
    cohort = classroom.cohort
    courses = pinned_courses(cohort)
    ids = _ids(request.POST if request.method == "POST" else request.GET)
    form = ExtensionForm(request.POST or None, courses=courses, zone=zone_of(cohort))
    if request.method != "POST":
        return _page(request, classroom, courses, ids, form)
    if not form.is_valid() or not _extend(request, classroom, ids, form):
        return _page(request, classroom, courses, ids, form, status=422)
    return redirect("classroom:roster", cohort.pk)


def _extend(
    request: AuthenticatedRequest, classroom: Classroom, ids: list[int], form: ExtensionForm
) -> bool:
    """Whether it is done; what is wrong stands in the form."""
    values = form.cleaned_data
    try:
        with refusals_answered(request):
            given = extend_due(
                request.user,
                classroom.cohort,
                UUID(values["course"]),
                ids,
                due_at=values["due_at"],
                reason=values["reason"],
            )
            sentence = ngettext(
                "%(count)d student has a due date of their own now.",
                "%(count)d students have a due date of their own now.",
                len(given),
            )
            messages.success(request, sentence % {"count": len(given)})
    except InvalidInputError as error:
        for fault in error.faults:
            form.add_error(fault.field, str(fault.message))
        return False
    return True


@for_leaders
@require_POST
def roster_due_reset(request: AuthenticatedRequest, classroom: Classroom) -> HttpResponse:
    """The date of the class holds again for the students that are chosen."""
    cohort = classroom.cohort
    courses = {str(course.row.pk): course for course in pinned_courses(cohort)}
    course = courses.get(request.POST.get("course", ""))
    ids = _ids(request.POST)
    if course is None or not ids:
        messages.warning(request, _("Nothing was changed: choose students and a course first."))
        return redirect("classroom:roster", cohort.pk)
    with refusals_answered(request):
        changed = reset_due(request.user, cohort, course.row.pk, ids)
        sentence = ngettext(
            "%(count)d student has the due date of the class again.",
            "%(count)d students have the due date of the class again.",
            len(changed),
        )
        messages.success(request, sentence % {"count": len(changed)})
    return redirect("classroom:roster", cohort.pk)


def _page(
    request: AuthenticatedRequest,
    classroom: Classroom,
    courses: list[PinnedCourse],
    ids: list[int],
    form: ExtensionForm,
    *,
    status: int = 200,
) -> HttpResponse:
    students = _chosen(classroom, courses, ids)
    if not students:
        messages.info(request, _("Nobody is chosen. Choose the students in the roster first."))
        return redirect("classroom:roster", classroom.cohort.pk)
    context = {"form": form, "students": students, "courses": courses}
    return show(request, classroom, "roster_due", context, status=status)


def _chosen(
    classroom: Classroom, courses: list[PinnedCourse], ids: list[int]
) -> list[ChosenStudent]:
    dates = DueDates([course.row for course in courses], ids)
    return [
        ChosenStudent(
            member.user_id,
            str(member.user),
            tuple(dates.of(course.row.pk, member.user_id) for course in courses),
        )
        for member in students_of(classroom.cohort, ids)
    ]


def _ids(data: QueryDict) -> list[int]:
    """Of those that are numbers; an id that is nobody's is passed over or refused by the service."""
    return sorted({int(text) for text in data.getlist("student") if _ID.fullmatch(text)})


urlpatterns = [
    path("<uuid:cohort_id>/roster/due/", roster_due, name="roster_due"),
    path("<uuid:cohort_id>/roster/due/reset/", roster_due_reset, name="roster_due_reset"),
]
