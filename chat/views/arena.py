"""The arena of a class: its standings, the next duel, and the vote."""

from __future__ import annotations

from secrets import SystemRandom
from typing import Any
from uuid import UUID

from django.contrib import messages as notices
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Cohort
from chat.arena.ballots import VOTES_PER_PAIR
from chat.arena.duels import (
    MIN_RIVALS,
    begin_duel,
    contestants_of,
    end_duel,
    get_duel,
    open_duel,
)
from chat.arena.entries import arena_cohorts, get_arena_cohort, may_vote, rivals_of
from chat.arena.plot import MAX_PLOTTED, MAX_PROJECTED, plot_of
from chat.arena.questions import suggested_questions
from chat.arena.standings import MIN_DUELS, Arena, board_of, read_arena
from chat.forms.arena import DuelForm, VerdictForm
from chat.forms.faults import add_domain_error
from chat.fragments import conversation_context
from chat.models import ChatSession, Vote
from chat.selectors import messages
from common.errors import DomainError, NotFoundError
from common.http import AuthenticatedRequest
from common.partials import render_partial

BOARD_TEMPLATE = "chat/arena_board.html"
PROJECTOR_TEMPLATE = "chat/arena_projector.html"
STANDINGS_PARTIAL = "arena-standings"


@login_required
@require_GET
def arena(request: AuthenticatedRequest) -> HttpResponse:
    """The arena of the only class, or the choice between several."""
    cohorts = list(arena_cohorts(request.user))
    if len(cohorts) == 1:
        return redirect("chat:arena_board", cohorts[0].pk)
    return render(request, "chat/arena_home.html", {"cohorts": cohorts})


@login_required
@require_GET
def arena_board(request: AuthenticatedRequest, cohort_id: UUID) -> HttpResponse:
    cohort = _cohort_or_404(request, cohort_id)
    if request.GET.get("view") == "projector":
        context = _standings_context(cohort, read_arena(cohort), plotted=MAX_PROJECTED)
        return render_partial(request, PROJECTOR_TEMPLATE, STANDINGS_PARTIAL, context)
    return _board(request, cohort, DuelForm())


@login_required
@require_POST
def arena_begin(request: AuthenticatedRequest, cohort_id: UUID) -> HttpResponse:
    """The next duel; a suggested question is asked as if it had been typed."""
    cohort = _cohort_or_404(request, cohort_id)
    prompt = request.POST.get("suggestion") or request.POST.get("prompt", "")
    form = DuelForm({"prompt": prompt})
    status = 422
    if form.is_valid():
        try:
            message = begin_duel(request.user, cohort, prompt=form.cleaned_data["prompt"])
            return redirect("chat:arena_duel", message.session_id)
        except DomainError as error:
            add_domain_error(form, error, names={"message": "prompt"})
            status = error.status
    return _board(request, cohort, form, status=status)


@login_required
@require_GET
def arena_duel(request: AuthenticatedRequest, session_id: UUID) -> HttpResponse:
    return _duel(request, _duel_or_404(request, session_id))


@login_required
@require_POST
def arena_vote(request: AuthenticatedRequest, session_id: UUID) -> HttpResponse:
    session = _duel_or_404(request, session_id)
    form = VerdictForm(request.POST)
    refusal, status = "", 422
    if form.is_valid():
        try:
            end_duel(session, **form.verdict_arguments())
            return redirect("chat:arena_duel", session.pk)
        except DomainError as error:
            refusal, status = str(error.message), error.status
    else:
        refusal = " ".join(str(error) for error in form.errors["verdict"])
    if session.revealed_at is not None:
        # Two windows, or a second press of the button: the duel says how it ended.
        notices.info(request, refusal)
        return redirect("chat:arena_duel", session.pk)
    return _duel(request, session, refusal=refusal, status=status)


def _board(
    request: AuthenticatedRequest, cohort: Cohort, form: DuelForm, *, status: int = 200
) -> HttpResponse:
    found = read_arena(cohort)
    rivals = rivals_of(request.user, found.entries)
    context = _standings_context(cohort, found) | {
        "form": form,
        "may_vote": may_vote(request.user, cohort),
        "has_rivals": len(rivals) >= MIN_RIVALS,
        "own_entries": [entry for entry in found.entries if entry.owner_id == request.user.pk],
        "questions": suggested_questions(request.user, rivals, SystemRandom()),
        "open_duel": open_duel(request.user, cohort),
        "has_other_classes": arena_cohorts(request.user).count() > 1,
    }
    return render(request, BOARD_TEMPLATE, context, status=status)


def _standings_context(
    cohort: Cohort, found: Arena, *, plotted: int = MAX_PLOTTED
) -> dict[str, Any]:
    board = board_of(found)
    return {
        "cohort": cohort,
        "board": board,
        "plot": plot_of(board.ranked, limit=plotted),
        "plotted_count": plotted,
        "min_duels": MIN_DUELS,
        "votes_per_pair": VOTES_PER_PAIR,
    }


def _duel(
    request: AuthenticatedRequest, session: ChatSession, *, refusal: str = "", status: int = 200
) -> HttpResponse:
    turns = messages(session)
    context = conversation_context(session, turns) | {
        "refusal": refusal,
        "cohort": session.cohort,
        "answerers": list(session.answerers.all()),
        "vote": Vote.objects.filter(message__session=session).first(),
        "contestants": [] if session.hides_names else contestants_of(session),
    }
    return render(request, "chat/arena_duel.html", context, status=status)


def _cohort_or_404(request: AuthenticatedRequest, cohort_id: UUID) -> Cohort:
    try:
        return get_arena_cohort(request.user, cohort_id)
    except NotFoundError as error:
        raise Http404(str(error.message)) from error


def _duel_or_404(request: AuthenticatedRequest, session_id: UUID) -> ChatSession:
    try:
        return get_duel(request.user, session_id)
    except NotFoundError as error:
        raise Http404(str(error.message)) from error
