"""A job that a leader shows the class as an example, as the class sees it."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from common.errors import NotFoundError
from common.http import AuthenticatedRequest
from courses.selectors.examples import example_for
from training.diagnosis.page import without_experiments
from training.fragments import job_context
from training.setting_groups import setting_groups

PIECES = ("diagnosis", "curves")
"""Neither the student's words nor their examples: samples quote the dataset."""


@login_required
@require_safe
def example(request: AuthenticatedRequest, pinned_id: UUID) -> HttpResponse:
    try:
        shown = example_for(request.user, pinned_id)
    except NotFoundError as error:
        raise Http404(str(error.message)) from error
    job = shown.pinned.job
    context = without_experiments(job_context(job, names=PIECES))
    context |= {"example": shown, "setting_groups": setting_groups(job)}
    return render(request, "courses/example.html", context)
