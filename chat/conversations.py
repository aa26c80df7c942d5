"""A conversation as it is shown: the branch in view, and where its messages and replies have alternatives."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from chat.ballots import Ballot, ballot_of
from chat.models import ChatSession, Message, Reply, Vote
from chat.naming import Face, faces_of, shown_failure


@dataclass(frozen=True, slots=True)
class Place:
    """Which of several alternatives is in view; the numbers count from 1."""

    number: int
    total: int
    previous_id: UUID | None
    next_id: UUID | None

    @property
    def is_only(self) -> bool:
        return self.total == 1


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply in view among the takes of its model.

    Attributes:
        face: the model, as its reader may see it.
        failure: why there is no answer, in words; empty unless the reply failed.
        queue_place: 0 where it does not wait.
    """

    reply: Reply
    takes: Place
    face: Face
    failure: str = ""
    queue_place: int = 0

    @property
    def slot(self) -> str:
        """Names the place on the page that all takes of one model to one message share."""
        return f"{self.reply.message_id}-{self.reply.answerer_id}"


@dataclass(frozen=True, slots=True)
class Turn:
    """A message in view among the messages with the same parent, and what was answered.

    Attributes:
        ballot: which answer was best; None where one model answers alone.
    """

    message: Message
    branches: Place
    answers: list[Answer]
    ballot: Ballot | None = None


def turns_of(
    session: ChatSession, messages: Sequence[Message], places: dict[UUID, int]
) -> list[Turn]:
    """The messages with their alternatives and votes, in three queries.

    Args:
        messages: with their chosen replies prefetched.
        places: of waiting replies, in the queue.
    """
    if not messages:
        return []
    siblings = _siblings(session)
    takes = _takes(Reply.objects.filter(message__in=messages))
    votes = _votes(session, messages)
    faces = faces_of(session)
    return [
        Turn(
            message,
            place_among(siblings[message.parent_id], message.pk),
            [
                Answer(
                    reply,
                    place_among(takes[message.pk, reply.answerer_id], reply.pk),
                    faces[reply.answerer_id],
                    shown_failure(session, reply),
                    places.get(reply.pk, 0),
                )
                for reply in message.replies.all()
            ],
            ballot_of(session, message, list(message.replies.all()), votes.get(message.pk)),
        )
        for message in messages
    ]


def answer_of(reply: Reply, places: dict[UUID, int]) -> Answer:
    """One reply among its takes."""
    takes = _takes(Reply.objects.filter(message=reply.message_id, answerer=reply.answerer_id))
    own = takes[reply.message_id, reply.answerer_id]
    session = reply.message.session
    return Answer(
        reply,
        place_among(own, reply.pk),
        faces_of(session)[reply.answerer_id],
        shown_failure(session, reply),
        places.get(reply.pk, 0),
    )


def newest_below(session: ChatSession, message: Message) -> UUID:
    """The last message of the branch that was written at latest behind a message; itself where nothing follows."""
    rows = session.messages.order_by("created_at").values_list("pk", "parent_id")
    below = {message.pk}
    newest: UUID = message.pk
    for pk, parent_id in rows:
        if parent_id in below:
            below.add(pk)
            newest = pk
    return newest


def place_among(alternatives: list[UUID], own: UUID) -> Place:
    index = alternatives.index(own)
    return Place(
        number=index + 1,
        total=len(alternatives),
        previous_id=alternatives[index - 1] if index else None,
        next_id=alternatives[index + 1] if index + 1 < len(alternatives) else None,
    )


def _votes(session: ChatSession, messages: Sequence[Message]) -> dict[UUID, Vote]:
    if not session.is_compared:
        return {}
    return {vote.message_id: vote for vote in Vote.objects.filter(message__in=messages)}


def _siblings(session: ChatSession) -> dict[UUID | None, list[UUID]]:
    found: dict[UUID | None, list[UUID]] = defaultdict(list)
    for pk, parent_id in session.messages.order_by("created_at").values_list("pk", "parent_id"):
        found[parent_id].append(pk)
    return found


def _takes(replies: QuerySet[Reply]) -> dict[tuple[UUID, UUID], list[UUID]]:
    found: dict[tuple[UUID, UUID], list[UUID]] = defaultdict(list)
    rows = replies.order_by("take").values_list("message_id", "answerer_id", "pk")
    for message_id, answerer_id, pk in rows:
        found[message_id, answerer_id].append(pk)
    return found
