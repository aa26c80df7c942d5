"""A person's own words on a job: each form answers with itself, so that nothing else that is typed is lost."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from common.errors import ConflictError, InvalidInputError
from common.http import AuthenticatedRequest
from training.models import TrainingJob
from training.notebook.page import notebook_context, tags_form, with_text_form
from training.notebook.texts import TextForm, conflicting_form, refused_form, text_form
from training.services.organising import TEXTS, ChangedMeanwhileError, Changes, organise
from training.views.finding import get_job_or_404
from training.views.returning import way_back

NOTEBOOK_TEMPLATE = "training/job_notebook.html"
TEXT_TEMPLATE = "training/notebook/text_form.html"
REFUSED = 422


@login_required
@require_safe
def job_notebook(request: AuthenticatedRequest, job_id: UUID) -> HttpResponse:
    """The notebook alone: the part of a job's page that does not change by itself."""
    job = get_job_or_404(request, job_id)
    return render(request, NOTEBOOK_TEMPLATE, {"job": job} | notebook_context(job))


@login_required
@require_POST
def job_text(request: AuthenticatedRequest, job_id: UUID, field: str) -> HttpResponse:
    """Save notes, a guess or an explanation, unless the text has been changed since it was read."""
    if field not in TEXTS:
        raise Http404
    job = get_job_or_404(request, job_id)
    if "discard" in request.POST:
        return _text_answer(request, job, text_form(job, field))
    # A browser sends its line ends.
    typed = request.POST.get("text", "").replace("\r\n", "\n")
    version = request.POST.get("version", "")
    given: dict[str, Any] = {field: typed, "before": {field: version}}
    try:
        job = organise(job, Changes(**given))
    except InvalidInputError as error:
        faults = [str(fault.message) for fault in error.faults]
        form = refused_form(job, field, typed, version=version, faults=faults)
    except ChangedMeanwhileError as error:
        fault = str(error.message)
        form = conflicting_form(job, field, typed, other=error.current, fault=fault)
    except ConflictError as error:
        form = refused_form(job, field, typed, version=version, faults=[str(error.message)])
    else:
        return _text_answer(request, job, text_form(job, field, is_saved=True))
    return _text_answer(request, job, form, status=REFUSED)


def _text_answer(
    request: AuthenticatedRequest, job: TrainingJob, form: TextForm, *, status: int = 200
) -> HttpResponse:
    if request.htmx:
        return render(request, TEXT_TEMPLATE, {"job": job, "form": form}, status=status)
    if status == REFUSED:
        context = {"job": job} | with_text_form(notebook_context(job), form)
        return render(request, NOTEBOOK_TEMPLATE, context, status=status)
    return redirect(f"{_page_of(job)}#job-{form.field}")


@login_required
@require_POST
def job_tags(request: AuthenticatedRequest, job_id: UUID) -> HttpResponse:
    job = get_job_or_404(request, job_id)
    typed = request.POST.get("tags", "")
    try:
        job = organise(job, Changes(tags=[typed]))
    except InvalidInputError as error:
        faults = [str(fault.message) for fault in error.faults]
        return _tags_answer(request, job, {"tags_form": tags_form(job, typed=typed, faults=faults)})
    return _tags_answer(request, job, {"tags_form": tags_form(job, is_saved=True)})


def _tags_answer(
    request: AuthenticatedRequest, job: TrainingJob, form: dict[str, dict[str, object]]
) -> HttpResponse:
    status = REFUSED if form["tags_form"]["faults"] else 200
    if request.htmx:
        return render(request, "training/notebook/tags.html", {"job": job} | form, status=status)
    if status == REFUSED:
        context = {"job": job} | notebook_context(job) | form
        return render(request, NOTEBOOK_TEMPLATE, context, status=status)
    return redirect(f"{_page_of(job)}#job-tags")


@login_required
@require_POST
def job_star(request: AuthenticatedRequest, job_id: UUID) -> HttpResponse:
    """Star or not, as the form says: pressed twice by mistake it stays as it was asked."""
    job = get_job_or_404(request, job_id)
    job = organise(job, Changes(is_starred=request.POST.get("is_starred") == "1"))
    if request.htmx:
        return render(request, "training/notebook/star.html", {"job": job})
    return redirect(way_back(request, _page_of(job)))


@login_required
@require_POST
def job_archive(request: AuthenticatedRequest, job_id: UUID) -> HttpResponse:
    job = get_job_or_404(request, job_id)
    job = organise(job, Changes(is_archived=request.POST.get("is_archived") == "1"))
    if request.htmx:
        return render(request, "training/notebook/archive.html", {"job": job})
    messages.success(request, archive_sentence(job))
    return redirect(way_back(request, _page_of(job)))


def archive_sentence(job: TrainingJob) -> str:
    """Where the job is to be found now."""
    if job.archived_at is None:
        return _("The job is back in the list.")
    return _("The job is archived: the list shows it only under “Archived”.")


def _page_of(job: TrainingJob) -> str:
    return reverse("training:job_detail", args=[job.pk])
