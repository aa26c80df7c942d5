"""The page of models: which there are; instructors let Ollama fetch more there."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import trigger_client_event

from common.errors import ConflictError, DomainError, NotFoundError
from common.http import AuthenticatedRequest
from common.partials import render_partial
from modelhub.forms import PullForm
from modelhub.model_board import model_board
from modelhub.ollama.address import is_configured
from modelhub.ollama.errors import OllamaError
from modelhub.ollama.health import ollama_health
from modelhub.ollama.syncing import sync_ollama_models
from modelhub.pulling import may_pull, request_pull, stop_pull
from modelhub.pulling_selectors import get_pull
from modelhub.pulling_sentences import ollama_sentence

TEMPLATE = "modelhub/model_list.html"
PARTIAL = "model-board"


@login_required
@require_safe
def model_list(request: AuthenticatedRequest) -> HttpResponse:
    return _page(request, PullForm())


@login_required
@require_safe
def ollama_status(request: AuthenticatedRequest) -> HttpResponse:
    """Whether Ollama answers; asked for by the page when it stands, since it may take seconds to know."""
    _check_instructor(request)
    return render(request, "modelhub/ollama_status.html", {"health": ollama_health()})


@login_required
@require_POST
def pull_new(request: AuthenticatedRequest) -> HttpResponse:
    _check_instructor(request)
    form = PullForm(request.POST)
    if not form.is_valid():
        return _page(request, form, status=422)
    try:
        pull = request_pull(request.user, form.cleaned_data["name"])
    except DomainError as error:
        form.add_refusal(error)
        return _page(request, form, status=error.status)
    messages.success(request, _("“%(name)s” is being fetched.") % {"name": pull.name})
    return redirect("modelhub:model_list")


@login_required
@require_POST
def pull_stop(request: AuthenticatedRequest, pull_id: UUID) -> HttpResponse:
    _check_instructor(request)
    try:
        stop_pull(request.user, get_pull(request.user, pull_id))
    except NotFoundError as error:
        raise Http404(str(error.message)) from error
    except ConflictError as error:
        return _answer(request, str(error.message))
    return _answer(request, _("The pull is being stopped."))


@login_required
@require_POST
def refresh(request: AuthenticatedRequest) -> HttpResponse:
    """Look at once what Ollama has."""
    _check_instructor(request)
    try:
        sync_ollama_models()
    except OllamaError as error:
        messages.error(request, ollama_sentence(error.reason))
    else:
        messages.success(request, _("The list shows what Ollama has now."))
    return redirect("modelhub:model_list")


def _check_instructor(request: AuthenticatedRequest) -> None:
    if not may_pull(request.user):
        raise PermissionDenied


def _answer(request: AuthenticatedRequest, sentence: str) -> HttpResponse:
    """The models and pulls as they are now, with what happened in a sentence."""
    if request.htmx:
        return trigger_client_event(_page(request, PullForm()), "toast", {"value": sentence})
    messages.info(request, sentence)
    return redirect("modelhub:model_list")


def _page(request: AuthenticatedRequest, form: PullForm, *, status: int = 200) -> HttpResponse:
    context = {"board": model_board(request.user), "form": form, "has_ollama": is_configured()}
    return render_partial(request, TEMPLATE, PARTIAL, context, status=status)
