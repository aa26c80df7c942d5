"""One training job of a student as a leader sees it: to read, to comment on, to pin, and to act on in the queue."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from common.errors import ConflictError, DomainError, InvalidInputError, NotFoundError
from common.http import AuthenticatedRequest
from courses.instructor.feedback import feedback_context
from courses.instructor.frame import Classroom, for_leaders, for_reviewers, render_page
from courses.instructor.runs import run_address
from courses.models import PinnedJob
from courses.selectors.feedback import given_on_job
from courses.selectors.runs import OwnerNames, job_of_cohort
from courses.services.class_jobs import MAX_NOTE_CHARACTERS, pin_job, requeue_job, unpin_job
from courses.services.feedback import delete_feedback, give_feedback
from training.curves.choices import curve_choices
from training.curves.view import CurveView
from training.diagnosis.page import without_experiments
from training.fragments import job_context
from training.models import TrainingJob
from training.services.queue_acts import act_on_job
from training.setting_groups import setting_groups
from training.views.returning import way_back

PIECES = ("status", "diagnosis", "curves", "samples", "log")


@require_safe
@for_reviewers
def run(request: AuthenticatedRequest, classroom: Classroom, job_id: UUID) -> HttpResponse:
    return _show(request, classroom, _job(classroom, job_id))


@require_POST
@for_leaders
def run_act(
    request: AuthenticatedRequest, classroom: Classroom, job_id: UUID, action: str
) -> HttpResponse:
    """Hold, release, move, cancel or start again; the page that the form stands on says what came of it."""
    job = _job(classroom, job_id)
    try:
        if action == "requeue":
            requeue_job(request.user, job)
            done = _("“%(name)s” waits in the queue again.") % {"name": job.name}
        else:
            done = act_on_job(job, action, by=request.user)
    except NotFoundError as error:
        raise Http404(str(error.message)) from error
    except DomainError as error:
        messages.error(request, str(error.message))
    else:
        messages.success(request, done)
    return redirect(way_back(request, run_address(classroom, job)))


@require_POST
@for_leaders
def run_pin(request: AuthenticatedRequest, classroom: Classroom, job_id: UUID) -> HttpResponse:
    job, note = _job(classroom, job_id), request.POST.get("note", "")
    try:
        pin_job(request.user, classroom.cohort, job, note=note)
    except InvalidInputError as error:
        return _show(request, classroom, job, note=note, note_faults=_sentences(error))
    except ConflictError as error:
        messages.error(request, str(error.message))
    else:
        messages.success(request, _("The class sees this job as an example now."))
    return redirect(run_address(classroom, job))


@require_POST
@for_leaders
def run_unpin(request: AuthenticatedRequest, classroom: Classroom, job_id: UUID) -> HttpResponse:
    job = _job(classroom, job_id)
    unpin_job(request.user, classroom.cohort, job)
    messages.success(request, _("The class does not see this job any more."))
    return redirect(run_address(classroom, job))


@require_POST
@for_leaders
def run_feedback(request: AuthenticatedRequest, classroom: Classroom, job_id: UUID) -> HttpResponse:
    job, text = _job(classroom, job_id), request.POST.get("text", "")
    try:
        give_feedback(request.user, job.owner, classroom.cohort, text=text, job_id=job.pk)
    except InvalidInputError as error:
        return _show(request, classroom, job, unsent={"text": text, "fault": error})
    messages.success(request, _("The student is told of the feedback."))
    return redirect(f"{run_address(classroom, job)}#feedback")


@require_POST
@for_leaders
def run_feedback_delete(
    request: AuthenticatedRequest, classroom: Classroom, job_id: UUID, feedback_id: UUID
) -> HttpResponse:
    job = _job(classroom, job_id)
    try:
        delete_feedback(request.user, classroom.cohort, feedback_id)
    except NotFoundError as error:
        raise Http404(str(error.message)) from error
    messages.success(request, _("The feedback was deleted."))
    return redirect(f"{run_address(classroom, job)}#feedback")


def _job(classroom: Classroom, job_id: UUID) -> TrainingJob:
    try:
        return job_of_cohort(classroom.cohort, job_id)
    except NotFoundError as error:
        raise Http404(str(error.message)) from error


def _sentences(error: InvalidInputError) -> list[str]:
    return [str(fault.message) for fault in error.faults]


def _show(
    request: AuthenticatedRequest,
    classroom: Classroom,
    job: TrainingJob,
    *,
    unsent: dict[str, Any] | None = None,
    **typed: Any,
) -> HttpResponse:
    """
    Args:
        unsent: feedback that could not be used, and why; typed: the same of the note of an example.
    """
    names = OwnerNames.of(classroom.cohort, is_projected=classroom.is_projected)
    job = names.shown(job)
    view = CurveView.from_query(request.GET).changed(is_projector=False)
    pinned = PinnedJob.objects.filter(cohort=classroom.cohort, job=job).first()
    context = {
        **job_context(job, view, PIECES),
        **curve_choices(view),
        "student_name": names.of_job(job),
        "setting_groups": setting_groups(job),
        "pinned": pinned,
        "note": pinned.note if pinned else "",
        **feedback_context(
            given_on_job(request.user, classroom.cohort, job.pk, names.by_user),
            classroom.address("run_feedback", job.pk),
            **(unsent or {}),
        ),
        "is_completed": job.status == TrainingJob.Status.COMPLETED,
        "can_requeue": job.can_resume,
        "most_note_characters": MAX_NOTE_CHARACTERS,
    }
    context = without_experiments(context) | typed
    return render_page(
        request,
        classroom,
        "runs",
        context,
        template="run",
        partial="run-live",
        status=422 if typed or unsent else 200,
    )


BASE = "<uuid:cohort_id>/runs/<uuid:job_id>/"
urlpatterns = [
    path(BASE, run, name="run"),
    path(f"{BASE}pin/", run_pin, name="run_pin"),
    path(f"{BASE}unpin/", run_unpin, name="run_unpin"),
    path(f"{BASE}feedback/", run_feedback, name="run_feedback"),
    path(
        f"{BASE}feedback/<uuid:feedback_id>/delete/",
        run_feedback_delete,
        name="run_feedback_delete",
    ),
    path(f"{BASE}do/<slug:action>/", run_act, name="run_act"),
]
