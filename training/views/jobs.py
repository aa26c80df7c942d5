"""The list of jobs, and a job with its live parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import trigger_client_event

from common.errors import ConflictError, NotFoundError
from common.http import AuthenticatedRequest
from common.partials import render_partial
from engine.config import Parameter
from training import selectors
from training.downloads import adapter_response
from training.forms import (
    choice_label,
    pattern_text,
)
from training.fragments import ALL_PIECES, job_context, render_pieces
from training.models import TrainingJob
from training.notebook.page import notebook_context
from training.services import ending
from training.templatetags.training_tags import NOTHING

JOBS_PER_PAGE = 20


@login_required
@require_GET
def job_list(request: AuthenticatedRequest) -> HttpResponse:
    jobs = selectors.jobs_visible_to(request.user)
    page = Paginator(jobs, JOBS_PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "has_active": any(job.is_active for job in page)}
    return render_partial(request, "training/job_list.html", "job-list", context)


@login_required
@require_GET
def job_detail(request: AuthenticatedRequest, job_id: UUID) -> HttpResponse:
    job = _get_job(request, job_id)
    return render(request, "training/job_detail.html", _detail_context(job))


@login_required
@require_GET
def job_live(request: AuthenticatedRequest, job_id: UUID) -> HttpResponse:
    """The live parts, for a page whose socket is closed."""
    return HttpResponse(render_pieces(_get_job(request, job_id), ALL_PIECES))


@login_required
@require_POST
def job_cancel(request: AuthenticatedRequest, job_id: UUID) -> HttpResponse:
    return _ask(request, job_id, ending.cancel_training_job)


@login_required
@require_POST
def job_stop(request: AuthenticatedRequest, job_id: UUID) -> HttpResponse:
    return _ask(request, job_id, ending.stop_training_job)


def _ask(
    request: AuthenticatedRequest, job_id: UUID, service: Callable[[TrainingJob], TrainingJob]
) -> HttpResponse:
    """Ask something of a job that may have ended meanwhile; the page says either way how it stands."""
    job = _get_job(request, job_id)
    refusal = ""
    try:
        job = service(job)
    except ConflictError as error:
        refusal = str(error.message)
    if not request.htmx:
        if refusal:
            messages.info(request, refusal)
        return redirect("training:job_detail", job_id=job.pk)
    response = HttpResponse(render_pieces(job, ALL_PIECES))
    return trigger_client_event(response, "toast", {"value": refusal}) if refusal else response


@login_required
@require_http_methods(["GET", "POST"])
def job_delete(request: AuthenticatedRequest, job_id: UUID) -> HttpResponse:
    job = _get_job(request, job_id)
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
    job = _get_job(request, job_id)
    try:
        return adapter_response(job)
    except ConflictError as error:
        messages.error(request, str(error.message))
        return redirect("training:job_detail", job_id=job.pk)


def _get_job(request: AuthenticatedRequest, job_id: UUID) -> TrainingJob:
    try:
        return selectors.get_job(request.user, job_id)
    except NotFoundError as error:
        raise Http404(str(error.message)) from error


def _detail_context(job: TrainingJob) -> dict[str, Any]:
    groups = [
        (_("Adapter"), _settings_rows(job.lora.parameters(), job.lora.to_dict())),
        (_("Training"), _settings_rows(job.training.parameters(), job.training.to_dict())),
    ]
    if job.eval_dataset_version is not None:
        name = job.eval_dataset_version.dataset.name
        groups.append((_("Evaluation"), [(_("Evaluation dataset"), name, "")]))
    return job_context(job) | notebook_context(job) | {"setting_groups": groups}


def _settings_rows(
    parameters: dict[str, Parameter], values: dict[str, Any]
) -> list[tuple[Any, str, Any]]:
    return [
        (
            gettext_lazy(parameter.label),
            _setting_text(name, values[name]),
            gettext_lazy(parameter.help),
        )
        for name, parameter in parameters.items()
    ]


def _setting_text(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return pattern_text(value) or NOTHING
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, float):
        return f"{value:g}"
    return str(choice_label(name, value))
