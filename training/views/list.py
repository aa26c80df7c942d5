"""The list of jobs: filtered, searched and sorted by its address, and what is done to the checked ones."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from common.errors import InvalidInputError
from common.http import AuthenticatedRequest
from common.partials import render_partial
from training.models import TrainingJob
from training.notebook.filters import SORTS, JobFilters
from training.notebook.listing import sparklines, tag_choices
from training.selectors import jobs_visible_to
from training.services.organising import add_tags, archive_jobs
from training.views.returning import way_back

JOBS_PER_PAGE = 20


@login_required
@require_GET
def job_list(request: AuthenticatedRequest) -> HttpResponse:
    filters = JobFilters.from_address(request.GET)
    visible = jobs_visible_to(request.user)
    jobs = filters.apply(visible.select_related("sweep"))
    page = Paginator(jobs, JOBS_PER_PAGE).get_page(request.GET.get("page"))
    drawings = sparklines(list(page))
    context: dict[str, Any] = {
        "page": page,
        "rows": [(job, drawings.get(job.pk, "")) for job in page],
        "has_active": any(job.is_active for job in page),
        "filters": filters,
        # All may be archived: then the page is empty, and it is not the first visit.
        "has_others": not page.object_list and visible.exists(),
        "sorts": SORTS,
        "statuses": TrainingJob.Status.choices,
        "tags": tag_choices(visible.exclude(tags=[]).values_list("tags", flat=True)),
    }
    return render_partial(request, "training/job_list.html", "job-list", context)


@login_required
@require_POST
def job_bulk(request: AuthenticatedRequest) -> HttpResponse:
    """Do something to the checked jobs; those that are not the person's are passed over."""
    back = way_back(request, reverse("training:job_list"))
    jobs = _checked_jobs(request)
    if not jobs:
        messages.info(request, _("No job is checked. Check some in the list first."))
        return redirect(back)
    match request.POST.get("action"):
        case "compare":
            chosen = urlencode([("job", str(job.pk)) for job in jobs])
            return redirect(f"{reverse('training:compare')}?{chosen}")
        case "archive" | "unarchive" as action:
            _archive(request, jobs, is_archived=action == "archive")
        case "tag":
            _tag(request, jobs)
    return redirect(back)


def _checked_jobs(request: AuthenticatedRequest) -> list[TrainingJob]:
    try:
        chosen = jobs_visible_to(request.user).filter(pk__in=request.POST.getlist("job"))
        return list(chosen.order_by("-created_at"))
    except (ValidationError, ValueError):
        return []


def _archive(request: AuthenticatedRequest, jobs: list[TrainingJob], *, is_archived: bool) -> None:
    count = archive_jobs(jobs, is_archived=is_archived)
    if is_archived:
        sentence = ngettext(
            "%(count)d job is archived. The filter “Archived” shows it.",
            "%(count)d jobs are archived. The filter “Archived” shows them.",
            count,
        )
    else:
        sentence = ngettext(
            "%(count)d job is back in the list.", "%(count)d jobs are back in the list.", count
        )
    messages.success(request, sentence % {"count": count})


def _tag(request: AuthenticatedRequest, jobs: list[TrainingJob]) -> None:
    try:
        count = add_tags(jobs, [request.POST.get("tags", "")])
    except InvalidInputError as error:
        for fault in error.faults:
            messages.error(request, str(fault.message))
        return
    messages.success(
        request,
        ngettext("%(count)d job has a new tag.", "%(count)d jobs have a new tag.", count)
        % {"count": count},
    )
