"""Several jobs side by side."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from common.errors import NotFoundError
from common.happenings import happened
from common.http import AuthenticatedRequest
from common.partials import render_partial
from training.comparing.curves import X_AXES
from training.comparing.page import ComparedJob, comparison_of, plots_of
from training.comparing.selection import MAX_JOBS, MIN_JOBS, count_sentence, jobs_to_compare
from training.models import TrainingJob
from training.selectors import jobs_visible_to

CHOICES = 50


@login_required
@require_GET
def compare(request: AuthenticatedRequest) -> HttpResponse:
    """The jobs that the address names, or a choice of jobs where it names too few or too many."""
    try:
        jobs = jobs_to_compare(request.user, request.GET.getlist("job"))
    except NotFoundError as error:
        raise Http404(str(error.message)) from error
    sentence = count_sentence(len(jobs))
    if sentence or "choose" in request.GET:
        return _choice(request, jobs, sentence)
    x = request.GET.get("x")
    x = x if x in X_AXES else "step"
    comparison = comparison_of(jobs)
    happened("jobs_compared", request.user.pk, ",".join(sorted(str(job.pk) for job in jobs)))
    context = {
        "comparison": comparison,
        "plots": plots_of(comparison, x),
        "prompts": comparison.prompt_columns,
        "x": x,
        "x_links": [(name, _address(jobs, x=name)) for name in X_AXES],
        "column_heads": [
            (
                entry,
                reverse("training:job_detail", args=[entry.job.pk]),
                _address_without(jobs, entry, x),
            )
            for entry in comparison.jobs
        ],
        "can_talk": True,
        "choose_url": _address(jobs, choose="1"),
    }
    return render_partial(request, "training/compare.html", "comparison", context)


def _choice(
    request: AuthenticatedRequest, chosen: list[TrainingJob], sentence: str
) -> HttpResponse:
    newest = list(jobs_visible_to(request.user)[:CHOICES])
    known = {job.pk for job in newest}
    context = {
        "jobs": [job for job in chosen if job.pk not in known] + newest,
        "chosen_ids": {job.pk for job in chosen},
        "sentence": sentence if chosen else "",
        "minimum": MIN_JOBS,
        "maximum": MAX_JOBS,
    }
    status = 422 if sentence and chosen else 200
    return render(request, "training/compare_choose.html", context, status=status)


def _address(jobs: list[TrainingJob], **parameters: str) -> str:
    query = [("job", str(job.pk)) for job in jobs] + list(parameters.items())
    return f"{reverse('training:compare')}?{urlencode(query)}"


def _address_without(jobs: list[TrainingJob], entry: ComparedJob, x: str) -> str:
    """The comparison of the others; empty where too few would be left."""
    rest = [job for job in jobs if job.pk != entry.job.pk]
    return _address(rest, x=x) if len(rest) >= MIN_JOBS else ""
