"""Which of several answers was best, and the names of the models once the person has made up their mind."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from chat import lifecycle
from chat.models import Answerer, ChatSession, Message, Reply, Vote
from chat.selectors import ACTIVE
from common.errors import ConflictError, Fault, InvalidInputError, NotFoundError

MIN_ANSWERS = 2
"""One answer alone is neither better nor worse."""


@transaction.atomic
def cast(message: Message, verdict: str, winner: Answerer | None = None) -> Vote:
    """Vote on the answers that stand below a message; a later vote takes the place of an earlier one.

    Raises:
        InvalidInputError: there is no such verdict, or it does not go with the winner.
        ConflictError: something is still being answered, there is nothing to choose from, or the names are told.
    """
    _check_verdict(verdict, winner)
    session = _locked(message.session)
    answered = _answered(message)
    if len(answered) < MIN_ANSWERS:
        raise ConflictError(
            _("There are not two answers to choose from here. Let the models answer again first.")
        )
    if winner is not None and winner.pk not in answered:
        sentence = _("This model did not answer this message. Choose one that did.")
        raise InvalidInputError(sentence, faults=[Fault(sentence, field="answerer_id")])
    vote = Vote.objects.filter(message=message).first() or Vote(message=message)
    _check_is_open(session, vote)
    vote.verdict, vote.winner, vote.was_blind = verdict, winner, session.hides_names
    vote.save()
    lifecycle.tell(session.pk, {"type": "vote", "message_id": str(message.pk)})
    return vote


@transaction.atomic
def reveal(session: ChatSession, *, is_vote_needed: bool = True) -> ChatSession:
    """Tell the names. Votes that were given before it stand from now on. What is told already stays told.

    Raises:
        ConflictError: nobody hides them, or there is no vote yet and one is needed.
    """
    locked = _locked(session)
    if not locked.is_blind:
        raise ConflictError(
            _("The names in this chat were never hidden, so there is nothing to reveal.")
        )
    if locked.revealed_at is None:
        if is_vote_needed and not Vote.objects.filter(message__session=locked).exists():
            raise ConflictError(
                _(
                    "You have not voted in this chat yet. Vote on at least one message first, "
                    "or reveal the names without a vote."
                )
            )
        locked.revealed_at = timezone.now()
        locked.save(update_fields=["revealed_at"])
        lifecycle.tell(locked.pk, {"type": "revealed"})
    session.revealed_at = locked.revealed_at
    return session


def _check_verdict(verdict: str, winner: Answerer | None) -> None:
    if verdict not in Vote.Verdict.values:
        sentence = _("Vote with one of: %(choices)s.") % {"choices": ", ".join(Vote.Verdict.values)}
        raise InvalidInputError(sentence, faults=[Fault(sentence, field="verdict")])
    if (verdict == Vote.Verdict.BETTER) != (winner is not None):
        sentence = (
            _("Say which model answered better.")
            if winner is None
            else _("Name a model only where one answered better than the others.")
        )
        raise InvalidInputError(sentence, faults=[Fault(sentence, field="answerer_id")])


def _locked(session: ChatSession) -> ChatSession:
    """A vote and a reveal come one after the other, so that no vote is called blind which was not."""
    locked = ChatSession.objects.select_for_update().filter(pk=session.pk).first()
    if locked is None:
        raise NotFoundError(_("There is no chat with this id, or it is not yours."))
    return locked


def _answered(message: Message) -> set[object]:
    """The models whose answers to the message can be compared, once all are over."""
    standing = list(
        message.replies.filter(is_chosen=True).values_list("answerer", "status", "text")
    )
    if any(status in ACTIVE for _answerer, status, _text in standing):
        raise ConflictError(_("The model is still answering. Wait for it, or stop it first."))
    return {
        answerer for answerer, status, text in standing if text or status == Reply.Status.COMPLETED
    }


def _check_is_open(session: ChatSession, vote: Vote) -> None:
    """What was judged blind is not judged again with the names in sight; a duel ends with its names."""
    is_over = session.kind == ChatSession.Kind.DUEL and session.revealed_at is not None
    if is_over or (vote.was_blind and not session.hides_names):
        raise ConflictError(_("The names are told, so the votes that were given before it stand."))
