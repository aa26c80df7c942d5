"""The starter sets, and the way from them to a first job."""

from __future__ import annotations

from typing import get_args

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from common.http import AuthenticatedRequest
from courses.selectors.pinned import reading_language
from courses.services.starter_sets import use_starter_set
from courses.starter import FIRST_LEVEL, Part, starter_levels, starter_offers

LEVELS_BY_TEXT = {str(level): level for level in starter_levels()}
PARTS: dict[str, Part] = {part: part for part in get_args(Part)}


@login_required
@require_safe
def starter_sets(request: AuthenticatedRequest) -> HttpResponse:
    """Every starter set with its examples and sources, in the reader's language."""
    context = {"offers": starter_offers(reading_language())}
    return render(request, "courses/starter_page.html", context)


@login_required
@require_POST
def use_starter_dataset(request: AuthenticatedRequest) -> HttpResponse:
    """Copy a starter set into the person's datasets; with examples to train on, open the form for a job."""
    level = LEVELS_BY_TEXT.get(request.POST.get("level", str(FIRST_LEVEL)))
    part = PARTS.get(request.POST.get("part", "train"))
    if level is None or part is None:
        raise Http404
    dataset, is_new = use_starter_set(
        request.user, level=level, part=part, language=reading_language()
    )
    if not is_new:
        sentence = _("You had “%(name)s” already, so it was not copied again.")
        messages.info(request, sentence % {"name": dataset.name})
    if part == "eval":
        return redirect("datasets:dataset_detail", dataset.pk)
    return redirect(f"{reverse('training:job_new')}?{urlencode({'dataset': str(dataset.pk)})}")
