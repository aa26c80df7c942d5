"""Blind duels: draw two adapters, ask both the same, vote, learn the names."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from secrets import SystemRandom
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Cohort, User
from chat.arena.ballots import votes_on_pairs
from chat.arena.entries import may_vote, rivals_of
from chat.arena.pairing import choose_pair
from chat.arena.standings import Arena, read_arena
from chat.models import Answerer, ChatSession, Message, Vote
from chat.naming import LETTERS
from chat.selectors import get_session, is_in_duel
from chat.sentences import absence_sentence
from chat.services.opening import save_session, tuned_answerer
from chat.services.sending import send_message
from chat.services.texts import clean_name
from chat.services.voting import cast, reveal
from common.errors import ConflictError, ForbiddenError, NotFoundError
from training.models import TrainingJob

MIN_RIVALS = 2
DUEL_SAMPLING: dict[str, Any] = {"temperature": 0.0, "seed": 0, "max_tokens": 256}
"""Each adapter's likeliest answer, so that luck does not decide."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One of the two adapters once the names are told.

    Attributes:
        letter: what it was called while the names were hidden.
        name, owner_name: empty where it has left the arena since, and so is not named any more.
    """

    letter: str
    name: str
    owner_name: str
    base_model_name: str
    is_winner: bool


def begin_duel(voter: User, cohort: Cohort, *, prompt: str, draw: Random | None = None) -> Message:
    """Let two adapters of classmates answer a question, without a name.

    Raises:
        ForbiddenError: the person is in the class only to look.
        ConflictError: fewer than two adapters of others take part.
        InvalidInputError: the question is empty, too long or not text.
        TooManyRequestsError: too many replies wait already.
    """
    if not may_vote(voter, cohort):
        raise ForbiddenError(
            _("You are in this class to look on, so you can see the standings and not vote.")
        )
    arena = read_arena(cohort)
    with transaction.atomic():
        session = ChatSession(
            owner=voter,
            name=clean_name(prompt) or str(ChatSession.Kind.DUEL.label),
            kind=ChatSession.Kind.DUEL,
            cohort=cohort,
            is_blind=True,
            settings=DUEL_SAMPLING,
        )
        save_session(session, _drawn(arena, voter, draw or SystemRandom()))
        return send_message(session, text=prompt)


def end_duel(session: ChatSession, *, verdict: str, winner_id: UUID | str | None = None) -> Vote:
    """Vote, and learn the names.

    Raises:
        InvalidInputError: there is no such verdict, or the winner is none of the two.
        ConflictError: something is still being answered, the duel is over, or an adapter has left the arena.
    """
    answerers = {str(answerer.pk): answerer for answerer in session.answerers.all()}
    if any(absence_sentence(answerer) for answerer in answerers.values()):
        raise ConflictError(
            _(
                "One of the two adapters takes no part in the arena any more, so your vote would not count. "
                "Begin the next duel."
            )
        )
    message = session.messages.order_by("created_at").first()
    if message is None:
        raise ConflictError(_("This duel has no question. Begin the next one."))
    winner = answerers.get(str(winner_id)) if winner_id else None
    with transaction.atomic():
        vote = cast(message, verdict, winner)
        reveal(session)
    return vote


def get_duel(user: User, session_id: UUID) -> ChatSession:
    """The duel, when it is the person's own.

    Raises:
        NotFoundError: there is no such duel, or it is somebody else's.
    """
    session = get_session(user, session_id)
    if session.kind != ChatSession.Kind.DUEL or session.cohort_id is None:
        raise NotFoundError(_("There is no duel with this id, or it is not yours."))
    return session


def open_duel(user: User, cohort: Cohort) -> ChatSession | None:
    """The newest duel of the person that waits for their vote, unless there is a newer one that has it."""
    duels = ChatSession.objects.visible_to(user).filter(
        kind=ChatSession.Kind.DUEL, cohort=cohort, head__isnull=False
    )
    newest = duels.order_by("-created_at").first()
    return newest if newest is not None and newest.hides_names else None


def contestants_of(session: ChatSession) -> list[Contestant]:
    """The two, in the order in which their answers stand; call it only once the names are told."""
    vote = Vote.objects.filter(message__session=session).first()
    winner_id = vote.winner_id if vote is not None else None
    return [
        _contestant(session, answerer, is_winner=answerer.pk == winner_id)
        for answerer in session.answerers.all()
    ]


def _contestant(session: ChatSession, answerer: Answerer, *, is_winner: bool) -> Contestant:
    job = answerer.job
    is_named = job is not None and is_in_duel(session, job)
    return Contestant(
        letter=LETTERS[answerer.position],
        name=answerer.label if is_named else "",
        owner_name=str(job.owner) if job is not None and is_named else "",
        base_model_name=answerer.base_model.name,
        is_winner=is_winner,
    )


def _drawn(arena: Arena, voter: User, draw: Random) -> list[Answerer]:
    rivals = {entry.job_id for entry in rivals_of(voter, arena.entries)}
    places = [place for place, entry in enumerate(arena.entries) if entry.job_id in rivals]
    if len(places) < MIN_RIVALS:
        raise ConflictError(
            _(
                "A duel needs two adapters of classmates, and fewer take part so far. "
                "Ask them to let theirs take part, on the pages of their jobs."
            )
        )
    pair = choose_pair(
        places,
        met={(outcome.low, outcome.high): outcome.duels for outcome in arena.outcomes},
        own=votes_on_pairs(arena.ballots, voter.pk),
        strengths=arena.fitted.strengths,
        draw=draw,
    )
    jobs = TrainingJob.objects.select_related("base_model").in_bulk(
        [arena.entries[place].job_id for place in pair]
    )
    return [tuned_answerer(jobs[arena.entries[place].job_id]) for place in pair]
