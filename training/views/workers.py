"""The page of workers: who works, on what, and who was refused."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from common.http import AuthenticatedRequest
from common.partials import render_partial
from modelhub.models import Worker
from modelhub.pausing import pause_workers, resume_workers
from training.worker_board import Reader, worker_board

TEMPLATE = "training/workers.html"


@login_required
@require_GET
def worker_list(request: AuthenticatedRequest) -> HttpResponse:
    return _board(request)


@login_required
@require_POST
def worker_pause(request: AuthenticatedRequest, worker_id: int) -> HttpResponse:
    worker = _get_worker(request, worker_id)
    if pause_workers([worker.pk]):
        sentence = _("The worker “%(name)s” finishes what it holds and then pauses.")
        _tell(request, sentence % {"name": worker.name})
    return _answer(request)


@login_required
@require_POST
def worker_resume(request: AuthenticatedRequest, worker_id: int) -> HttpResponse:
    worker = _get_worker(request, worker_id)
    if resume_workers([worker.pk]):
        _tell(request, _("The worker “%(name)s” takes work again.") % {"name": worker.name})
    return _answer(request)


def _get_worker(request: AuthenticatedRequest, worker_id: int) -> Worker:
    if not request.user.is_staff:
        raise PermissionDenied
    return get_object_or_404(Worker, pk=worker_id)


def _tell(request: AuthenticatedRequest, sentence: str) -> None:
    """A page that loads again says what happened; a part that changes shows it."""
    if not request.htmx:
        messages.success(request, sentence)


def _answer(request: AuthenticatedRequest) -> HttpResponse:
    return _board(request) if request.htmx else redirect("training:worker_list")


def _board(request: AuthenticatedRequest) -> HttpResponse:
    reader = Reader.of(request.user)
    context = {
        "entries": worker_board(reader),
        "is_leader": reader.is_leader,
        "may_pause": request.user.is_staff,
        "is_shareable": connection.vendor != "sqlite",
    }
    return render_partial(request, TEMPLATE, "worker-board", context)
