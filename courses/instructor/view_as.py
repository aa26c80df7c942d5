"""A student's courses and jobs of a class, as the student sees them; nothing can be changed there."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from common.http import AuthenticatedRequest
from courses.instructor.frame import Classroom, for_reviewers
from courses.instructor.roster_frame import show
from courses.selectors.pinned import reading_language
from courses.selectors.runs import OwnerNames
from courses.selectors.view_as import jobs_in, student_of, viewed_courses
from courses.services.viewing import note_view


@for_reviewers
@require_safe
def student(request: AuthenticatedRequest, classroom: Classroom, user_id: int) -> HttpResponse:
    cohort = classroom.cohort
    person = student_of(cohort, user_id)
    if person is None:
        raise Http404(_("No student of this class has this address."))
    note_view(request.user, cohort, person)
    names = OwnerNames.of(cohort, is_projected=classroom.is_projected)
    context = {
        "person": person,
        "name": names.by_user[person.pk],
        "courses": viewed_courses(person, cohort, reading_language()),
        "jobs": [names.shown(job) for job in jobs_in(person, cohort)],
    }
    return show(request, classroom, "student", context)


urlpatterns = [path("<uuid:cohort_id>/people/<int:user_id>/", student, name="student")]
