"""The list of sweeps, and a sweep with its jobs."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from common.errors import ConflictError, NotFoundError
from common.http import AuthenticatedRequest
from common.partials import render_partial
from training.models import Sweep, TrainingJob
from training.services.sweeping import cancel_sweep, delete_sweep
from training.sweeping.axes import axes_of, listed
from training.sweeping.board import SweepBoard, board_of, grid_of
from training.sweeping.plots import plot_of, row_words
from training.sweeping.reading import get_sweep, jobs_of, sweeps_visible_to
from training.templatetags.setting_tags import setting_words

SWEEPS_PER_PAGE = 20
SHOWN_STATUSES = ("completed", "running", "pending", "failed", "cancelled")


@login_required
@require_GET
def sweep_list(request: AuthenticatedRequest) -> HttpResponse:
    page = Paginator(sweeps_visible_to(request.user), SWEEPS_PER_PAGE).get_page(
        request.GET.get("page")
    )
    entries = [(sweep, listed(axis.label for axis in axes_of(sweep))) for sweep in page]
    return render(request, "training/sweep_list.html", {"page": page, "entries": entries})


@login_required
@require_GET
def sweep_detail(request: AuthenticatedRequest, sweep_id: UUID) -> HttpResponse:
    sweep = _get_sweep(request, sweep_id)
    board = board_of(sweep, jobs_of(request.user, sweep))
    return render_partial(request, "training/sweep_detail.html", "sweep-live", _context(board))


@login_required
@require_POST
def sweep_cancel(request: AuthenticatedRequest, sweep_id: UUID) -> HttpResponse:
    sweep = _get_sweep(request, sweep_id)
    try:
        count = cancel_sweep(request.user, sweep)
    except ConflictError as error:
        messages.info(request, str(error.message))
    else:
        sentence = ngettext(
            "%(count)d job was cancelled. A running one stops within two seconds.",
            "%(count)d jobs were cancelled. Running ones stop within two seconds.",
            count,
        )
        messages.success(request, sentence % {"count": count})
    return redirect("training:sweep_detail", sweep_id=sweep.pk)


@login_required
@require_http_methods(["GET", "POST"])
def sweep_delete(request: AuthenticatedRequest, sweep_id: UUID) -> HttpResponse:
    sweep = _get_sweep(request, sweep_id)
    if request.method == "GET":
        return render(request, "training/sweep_delete.html", {"sweep": sweep})
    delete_sweep(sweep)
    messages.success(
        request,
        _("The sweep “%(name)s” was deleted. Its jobs are still there.") % {"name": sweep.name},
    )
    return redirect("training:sweep_list")


def _get_sweep(request: AuthenticatedRequest, sweep_id: UUID) -> Sweep:
    try:
        return get_sweep(request.user, sweep_id)
    except NotFoundError as error:
        raise Http404(str(error.message)) from error


def _context(board: SweepBoard) -> dict[str, Any]:
    counts = board.counts
    compared = board.compared_jobs()
    return {
        "sweep": board.sweep,
        "board": board,
        "counts": [
            (TrainingJob.Status(status).label, counts[status])
            for status in SHOWN_STATUSES
            if counts[status] or status in ("completed", "running", "pending")
        ],
        "plot": plot_of(board, _metric_label(board), setting_words),
        "grid": grid_of(board),
        "metric_label": _metric_label(board),
        "best_jobs": [(row_words(row, setting_words), row.job) for row in board.best_rows],
        "compare_url": _compare_url(compared),
        "compared_count": len(compared),
    }


def _metric_label(board: SweepBoard) -> str:
    return _("Held-out loss") if board.metric == "eval_loss" else _("Training loss, last tenth")


def _compare_url(jobs: list[TrainingJob]) -> str:
    if not jobs:
        return ""
    query = urlencode([("job", str(job.pk)) for job in jobs])
    return f"{reverse('training:compare')}?{query}"
