"""The page of the queue: who waits and why; instructors hold, move and cancel jobs there and pause their classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import trigger_client_event

from common.errors import ConflictError, NotFoundError
from common.http import AuthenticatedRequest
from common.partials import render_partial
from training.queue.board import queue_board as board_of
from training.services import queueing
from training.services.queue_acts import act_on_job
from training.worker_board import Reader

TEMPLATE = "training/queue.html"


@login_required
@require_GET
def queue_board(request: AuthenticatedRequest) -> HttpResponse:
    return _board(request)


@login_required
@require_POST
def queue_change(request: AuthenticatedRequest, job_id: UUID, action: str) -> HttpResponse:
    """Hold, release, move or cancel a waiting job; the queue says afterwards how it stands."""
    job = _found(lambda: queueing.get_led_job(request.user, job_id))
    try:
        return _answer(request, act_on_job(job, action, by=request.user))
    except NotFoundError as error:
        raise Http404(str(error.message)) from error
    except ConflictError as error:
        return _answer(request, str(error.message))


@login_required
@require_POST
def cohort_pause(request: AuthenticatedRequest, cohort_id: UUID) -> HttpResponse:
    cohort = _found(lambda: queueing.get_led_cohort(request.user, cohort_id))
    queueing.pause_cohort(cohort, by=request.user)
    sentence = _("Nothing of “%(name)s” starts now. What runs goes on.")
    return _answer(request, sentence % {"name": cohort.name})


@login_required
@require_POST
def cohort_resume(request: AuthenticatedRequest, cohort_id: UUID) -> HttpResponse:
    cohort = _found(lambda: queueing.get_led_cohort(request.user, cohort_id))
    queueing.resume_cohort(cohort, by=request.user)
    return _answer(request, _("The jobs of “%(name)s” start again.") % {"name": cohort.name})


def _found(get: Callable[[], Any]) -> Any:
    try:
        return get()
    except NotFoundError as error:
        raise Http404(str(error.message)) from error


def _answer(request: AuthenticatedRequest, sentence: str) -> HttpResponse:
    """The queue as it is now, with what happened in a sentence."""
    if request.htmx:
        return trigger_client_event(_board(request), "toast", {"value": sentence})
    messages.info(request, sentence)
    return redirect("training:queue")


def _board(request: AuthenticatedRequest) -> HttpResponse:
    reader = Reader.of(request.user)
    # A form of the page sends its number along, so that a change shows the same part of the queue.
    page = request.GET.get("page") or request.POST.get("page") or 1
    context = {"board": board_of(reader, page), "is_leader": reader.is_leader}
    return render_partial(request, TEMPLATE, "queue-board", context)
