"""A job with its live parts, and what is asked of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import trigger_client_event

from accounts.notifications import mark_seen
from common.errors import ConflictError, DomainError
from common.happenings import happened
from common.http import AuthenticatedRequest
from training.curves.choices import curve_choices
from training.curves.view import CurveView
from training.downloads import adapter_response
from training.fragments import all_pieces, job_context, render_pieces
from training.models import TrainingJob
from training.notebook.page import notebook_context
from training.services import ending
from training.setting_groups import setting_groups
from training.sharing.page import sharing_context
from training.views.finding import get_job_or_404


@login_required
@require_GET
def job_detail(request: AuthenticatedRequest, job_id: UUID) -> HttpResponse:
    job = get_job_or_404(request, job_id)
    view = CurveView.from_query(request.GET)
    if view.is_projector:
        context = job_context(job, view, all_pieces(view)) | curve_choices(view)
        return render(request, "training/job_projector.html", context)
    mark_seen(request.user, subject=str(job.pk))
    return render(request, "training/job_detail.html", _detail_context(job, view))


@login_required
@require_GET
def job_live(request: AuthenticatedRequest, job_id: UUID) -> HttpResponse:
    """The live parts, for a page whose socket is closed."""
    job = get_job_or_404(request, job_id)
    if job.status == TrainingJob.Status.RUNNING:
        happened("job_page_seen", request.user.pk, job.pk)
    return _pieces(request, job)


@login_required
@require_POST
def job_cancel(request: AuthenticatedRequest, job_id: UUID) -> HttpResponse:
    return _ask(request, job_id, ending.cancel_training_job)


@login_required
@require_POST
def job_stop(request: AuthenticatedRequest, job_id: UUID) -> HttpResponse:
    return _ask(request, job_id, ending.stop_training_job)


@login_required
@require_POST
def job_resume(request: AuthenticatedRequest, job_id: UUID) -> HttpResponse:
    """Let a job that is over go on; the page is loaded anew, because it follows the job again."""
    job = get_job_or_404(request, job_id)
    try:
        ending.resume_training_job(job)
    except DomainError as error:
        messages.error(request, str(error.message))
    return redirect("training:job_detail", job_id=job.pk)


def _pieces(request: AuthenticatedRequest, job: TrainingJob) -> HttpResponse:
    view = CurveView.from_query(request.GET)
    return HttpResponse(render_pieces(job, all_pieces(view), view))


def _ask(
    request: AuthenticatedRequest, job_id: UUID, service: Callable[[TrainingJob], TrainingJob]
) -> HttpResponse:
    """Ask something of a job that may have ended meanwhile; the page says either way how it stands."""
    job = get_job_or_404(request, job_id)
    refusal = ""
    try:
        job = service(job)
    except ConflictError as error:
        refusal = str(error.message)
    if not request.htmx:
        if refusal:
            messages.info(request, refusal)
        return redirect("training:job_detail", job_id=job.pk)
    response = _pieces(request, job)
    return trigger_client_event(response, "toast", {"value": refusal}) if refusal else response


@login_required
@require_http_methods(["GET", "POST"])
def job_delete(request: AuthenticatedRequest, job_id: UUID) -> HttpResponse:
    job = get_job_or_404(request, job_id)
    if request.method == "GET":
        return render(request, "training/job_delete.html", {"job": job})
    try:
        ending.delete_training_job(job)
    except ConflictError as error:
        messages.error(request, str(error.message))
        return redirect("training:job_detail", job_id=job.pk)
    messages.success(request, _("The job “%(name)s” was deleted.") % {"name": job.name})
    return redirect("training:job_list")


@login_required
@require_GET
def job_adapter(request: AuthenticatedRequest, job_id: UUID) -> HttpResponseBase:
    job = get_job_or_404(request, job_id)
    try:
        return adapter_response(job)
    except ConflictError as error:
        messages.error(request, str(error.message))
        return redirect("training:job_detail", job_id=job.pk)


def _detail_context(job: TrainingJob, view: CurveView) -> dict[str, Any]:
    return {
        **job_context(job, view),
        **notebook_context(job),
        **sharing_context(job),
        **curve_choices(view),
        "setting_groups": setting_groups(job),
        "checkpoint_hours": settings.CHECKPOINT_HOURS,
    }
