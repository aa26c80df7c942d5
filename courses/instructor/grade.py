"""One cell of the gradebook: what proves it, and the decisions about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from common.errors import ConflictError, InvalidInputError, NotFoundError
from common.http import AuthenticatedRequest
from courses.forms.grading import EXEMPT, POINTS, TAKE_BACK, GradeForm
from courses.instructor.feedback import feedback_context
from courses.instructor.frame import Classroom, for_leaders, for_reviewers, render_page
from courses.instructor.gradebook import TAB
from courses.models import ScoreEvent
from courses.selectors.feedback import given_on_step
from courses.selectors.names import shown_names
from courses.selectors.step_record import StepRecord, find_student_enrolment, step_record
from courses.services import grading
from courses.wording.grades import STANDINGS, points_of


@require_http_methods(["GET", "HEAD", "POST"])
def grade(request: AuthenticatedRequest, **kwargs: Any) -> HttpResponseBase:
    return (_decide if request.method == "POST" else _look)(request, **kwargs)


@for_reviewers
def _look(
    request: AuthenticatedRequest, classroom: Classroom, enrolment_id: UUID, key: str
) -> HttpResponse:
    record = find_record(request, classroom, enrolment_id, key)
    return show(request, classroom, record)


@for_leaders
def _decide(
    request: AuthenticatedRequest, classroom: Classroom, enrolment_id: UUID, key: str
) -> HttpResponse:
    record = find_record(request, classroom, enrolment_id, key)
    form = GradeForm(request.POST, max_points=record.step.weight, score=record.score)
    if not form.is_valid():
        return show(request, classroom, record, form, status=422)
    decision = grading.Decision(
        actor=request.user,
        cohort=classroom.cohort,
        enrolment_id=enrolment_id,
        step_key=key,
        reason=form.cleaned_data["reason"],
        seen_id=form.cleaned_data["seen"],
    )
    decide, sentence = _acts(form)[form.cleaned_data["decision"]]
    try:
        decide(decision)
    except NotFoundError as error:
        raise Http404(str(error.message)) from error
    except grading.OvertakenError as error:
        return _overtaken(request, classroom, enrolment_id, key, error)
    except ConflictError as error:
        form.add_error("decision", str(error.message))
        return show(request, classroom, record, form, status=409)
    except InvalidInputError as error:
        form.add_error(None, str(error.message))
        return show(request, classroom, record, form, status=422)
    messages.success(request, sentence)
    return redirect(classroom.address("grade", enrolment_id, key))


Act = Callable[[grading.Decision], ScoreEvent]


def _acts(form: GradeForm) -> dict[str, tuple[Act, str]]:
    points = form.cleaned_data.get("points") or 0.0
    return {
        POINTS: (lambda decision: grading.set_points(decision, points), _("The points are set.")),
        EXEMPT: (grading.exempt, _("The student is exempt from this step.")),
        TAKE_BACK: (grading.take_back, _("The decision is taken back: evidence counts again.")),
    }


def find_record(
    request: AuthenticatedRequest, classroom: Classroom, enrolment_id: UUID, key: str
) -> StepRecord:
    try:
        enrolment = find_student_enrolment(classroom.cohort, enrolment_id)
        return step_record(classroom.cohort, enrolment, key, request.user)
    except NotFoundError as error:
        raise Http404(str(error.message)) from error


def _form(record: StepRecord, data: Any = None) -> GradeForm:
    return GradeForm(
        data,
        max_points=record.step.weight,
        score=record.score,
        initial={"seen": record.score.newest_id or "", "points": record.score.points},
    )


def _overtaken(
    request: AuthenticatedRequest,
    classroom: Classroom,
    enrolment_id: UUID,
    key: str,
    error: grading.OvertakenError,
) -> HttpResponse:
    """What was typed stays, and can be sent again now that the other's decision is seen."""
    record = find_record(request, classroom, enrolment_id, key)
    data = request.POST.copy()
    data["seen"] = str(record.score.newest_id or "")
    form = _form(record, data)
    form.is_valid()
    notice = {"text": str(error.message), "event": error.event}
    return show(request, classroom, record, form, status=409, overtaken=notice)


def show(
    request: AuthenticatedRequest,
    classroom: Classroom,
    record: StepRecord,
    form: GradeForm | None = None,
    *,
    status: int = 200,
    overtaken: dict[str, Any] | None = None,
    unsent: dict[str, Any] | None = None,
) -> HttpResponse:
    """
    Args:
        unsent: feedback that could not be used, and why.
    """
    enrolment, key = record.enrolment, record.step.key
    names = shown_names(classroom.cohort, is_projected=classroom.is_projected)
    context = {
        "record": record,
        "student": names[enrolment.user_id],
        "state": STANDINGS[record.item.standing],
        "points": points_of(record.score.points, record.step.weight),
        "form": form or _form(record),
        "overtaken": overtaken,
        "back_address": classroom.address("gradebook_course", enrolment.course.slug),
        "address": classroom.address("grade", enrolment.pk, key),
        **feedback_context(
            given_on_step(request.user, enrolment, key, names),
            classroom.address("grade_feedback", enrolment.pk, key),
            **(unsent or {}),
        ),
    }
    return render_page(request, classroom, TAB, context, template="grade", status=status)


urlpatterns = [
    path("<uuid:cohort_id>/gradebook/<uuid:enrolment_id>/<slug:key>/", grade, name="grade"),
]
