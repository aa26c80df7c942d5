"""Feedback on a step of a student's course, on the page of its cell in the gradebook."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from common.errors import InvalidInputError, NotFoundError
from common.http import AuthenticatedRequest
from courses.instructor.frame import Classroom, for_leaders
from courses.instructor.grade import find_record, show
from courses.services.feedback import delete_feedback, give_feedback


@require_POST
@for_leaders
def grade_feedback(
    request: AuthenticatedRequest, classroom: Classroom, enrolment_id: UUID, key: str
) -> HttpResponse:
    record, text = find_record(request, classroom, enrolment_id, key), request.POST.get("text", "")
    student = record.enrolment.user
    try:
        give_feedback(
            request.user,
            student,
            classroom.cohort,
            text=text,
            enrolment=record.enrolment,
            step_key=key,
        )
    except InvalidInputError as error:
        return show(request, classroom, record, status=422, unsent={"text": text, "fault": error})
    messages.success(request, _("The student is told of the feedback."))
    return redirect(classroom.address("grade", enrolment_id, key))


@require_POST
@for_leaders
def grade_feedback_delete(
    request: AuthenticatedRequest,
    classroom: Classroom,
    enrolment_id: UUID,
    key: str,
    feedback_id: UUID,
) -> HttpResponse:
    try:
        delete_feedback(request.user, classroom.cohort, feedback_id)
    except NotFoundError as error:
        raise Http404(str(error.message)) from error
    messages.success(request, _("The feedback was deleted."))
    return redirect(classroom.address("grade", enrolment_id, key))


BASE = "<uuid:cohort_id>/gradebook/<uuid:enrolment_id>/<slug:key>/feedback/"
urlpatterns = [
    path(BASE, grade_feedback, name="grade_feedback"),
    path(f"{BASE}<uuid:feedback_id>/delete/", grade_feedback_delete, name="grade_feedback_delete"),
]
