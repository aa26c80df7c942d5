"""The votes of a chat as they are shown: what can be chosen under a turn, and how often each model was best."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Prefetch, QuerySet
from django.utils.translation import gettext as _

from chat.models import Answerer, ChatSession, Message, Reply, Vote
from chat.naming import Face, faces_of
from chat.selectors import ACTIVE

VOTED_MESSAGES = "voted_messages"
"""Where with_votes puts them."""


# --- under a turn -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Choice:
    """One button; key is the digit that presses it."""

    value: str
    label: str
    key: str
    is_pressed: bool
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class Ballot:
    """What can be said about the answers to one message.

    Attributes:
        is_open: whether all of them are over, and two or more can be compared.
        is_final: whether the vote was given blind and the names are told, so that it stands.
        sentence: what the vote says; empty before it.
    """

    message_id: UUID
    choices: list[Choice]
    is_open: bool
    is_final: bool
    sentence: str

    @property
    def state(self) -> str:
        """Equal for what looks equal, so that it is not drawn again under a person's hand."""
        marks = "".join(f"{choice.is_pressed:d}{choice.is_open:d}" for choice in self.choices)
        return f"{marks}{self.is_open:d}{self.is_final:d}"


def ballot_of(
    session: ChatSession, message: Message, replies: Sequence[Reply], vote: Vote | None
) -> Ballot | None:
    """Under a message; None where one model answers alone.

    Args:
        replies: those that stand in the conversation.
    """
    if not session.is_compared:
        return None
    answered = {
        reply.answerer_id
        for reply in replies
        if reply.text or reply.status == Reply.Status.COMPLETED
    }
    is_over = not any(reply.status in ACTIVE for reply in replies)
    return Ballot(
        message_id=message.pk,
        choices=_choices(faces_of(session), answered, vote),
        is_open=is_over and len(answered) > 1,
        is_final=vote is not None and vote.was_blind and not session.hides_names,
        sentence=vote_sentence(session, vote),
    )


def _choices(faces: dict[UUID, Face], answered: set[UUID], vote: Vote | None) -> list[Choice]:
    winner = vote.winner_id if vote else None
    verdict = vote.verdict if vote else ""
    models = [
        Choice(f"better:{pk}", face.name, str(number), winner == pk, pk in answered)
        for number, (pk, face) in enumerate(faces.items(), start=1)
    ]
    tie, none = Vote.Verdict.TIE, Vote.Verdict.NONE
    return [
        *models,
        Choice(tie.value, str(tie.label), "0", verdict == tie),
        Choice(none.value, str(none.label), "-", verdict == none),
    ]


def vote_sentence(session: ChatSession, vote: Vote | None) -> str:
    """What a vote says; empty where there is none."""
    if vote is None:
        return ""
    if vote.winner_id is None:
        return str(vote.get_verdict_display())
    face = faces_of(session)[vote.winner_id]
    return _("Best answer: %(model)s") % {"model": face.name}


# --- of a whole chat --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wins:
    """How often the answer of a model was the best one."""

    answerer_id: UUID
    face: Face
    count: int


@dataclass(frozen=True, slots=True)
class Tally:
    """All votes of a chat, in every branch; blind counts those that were given without knowing the names."""

    total: int
    blind: int
    ties: int
    none_good: int
    wins: list[Wins]

    @property
    def is_all_blind(self) -> bool:
        return self.blind == self.total

    @property
    def state(self) -> str:
        counts = ".".join(str(row.count) for row in self.wins)
        return f"{self.total}-{self.blind}-{self.ties}-{self.none_good}-{counts}"


def tally_of(session: ChatSession) -> Tally:
    votes = [message.vote for message in _voted_messages(session)]
    verdicts = Counter(vote.verdict for vote in votes)
    wins = Counter(vote.winner_id for vote in votes)
    return Tally(
        total=len(votes),
        blind=sum(vote.was_blind for vote in votes),
        ties=verdicts[Vote.Verdict.TIE],
        none_good=verdicts[Vote.Verdict.NONE],
        wins=[Wins(pk, face, wins[pk]) for pk, face in faces_of(session).items()],
    )


def with_votes(sessions: QuerySet[ChatSession]) -> QuerySet[ChatSession]:
    """Each with what its tally needs, in one query for all of them."""
    return sessions.prefetch_related(Prefetch("messages", _voted(), to_attr=VOTED_MESSAGES))


def _voted_messages(session: ChatSession) -> Iterable[Message]:
    if session.kind == ChatSession.Kind.API:
        return []
    found: Iterable[Message] | None = getattr(session, VOTED_MESSAGES, None)
    return _voted().filter(session=session) if found is None else found


def _voted() -> QuerySet[Message]:
    return (
        Message.objects.filter(vote__isnull=False).select_related("vote").defer("text", "history")
    )


def answerer_of(session: ChatSession, answerer_id: str) -> Answerer | None:
    """The model of that id among those of a chat."""
    return next((row for row in session.answerers.all() if str(row.pk) == answerer_id), None)
