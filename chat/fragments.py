"""The parts of a conversation that change while it is open, as HTML for the page, for polling and for the socket."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any
from uuid import UUID

from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from chat.ballots import ballot_of, tally_of
from chat.conversations import Turn, answer_of, turns_of
from chat.models import ChatSession, Message, Reply, Vote
from chat.queueing import places_of
from chat.rendering import harmless_text
from chat.selectors import ACTIVE
from datasets_app.selectors import read_examples
from engine.data.records import Example
from training.models import TrainingJob

SUGGESTIONS = 4
SUGGESTION_CHARACTERS = 160
NEARLY_FULL_PERCENT = 85


@dataclass(frozen=True, slots=True)
class ContextMeter:
    """How much of what the model can read at once the conversation takes, in tokens."""

    used: int
    limit: int

    @property
    def percent(self) -> int:
        return min(100, round(100 * self.used / self.limit))

    @property
    def is_nearly_full(self) -> bool:
        return self.percent >= NEARLY_FULL_PERCENT


def conversation_context(session: ChatSession, turns: list[Message]) -> dict[str, Any]:
    replies = [reply for turn in turns for reply in turn.replies.all()]
    shown = turns_of(session, turns, places_of(replies))
    return {
        "session": session,
        "turns": shown,
        "state": _state(session, shown),
        "is_answering": is_answering(turns),
        "suggestions": [] if turns else suggestions(session),
        "meter": _newest_meter(session, turns),
        "read_at": read_at(),
        **_votes_context(session),
    }


def _votes_context(session: ChatSession) -> dict[str, Any]:
    """What the panel below the turns tells of votes; the arena has its own."""
    has_panel = session.kind == ChatSession.Kind.CHAT and session.is_compared
    return {"session": session, "tally": tally_of(session) if has_panel else None}


def _state(session: ChatSession, turns: list[Turn]) -> str:
    """Equal for equal conversations, so that a page is not drawn again with what it shows already."""
    seen = [
        (
            turn.message.pk,
            turn.branches,
            turn.ballot.state if turn.ballot else "",
            [
                (
                    answer.reply.pk,
                    answer.reply.status,
                    len(answer.reply.text),
                    answer.reply.rating,
                    answer.reply.corrected_text,
                    answer.takes,
                    answer.queue_place,
                )
                for answer in turn.answers
            ],
        )
        for turn in turns
    ]
    told = repr((session.hides_names, seen))
    return hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()[:16]


def read_at() -> str:
    """Stamps what is shown, so that the page can tell which of two that arrive at once is the older."""
    return str(time.time_ns() // 1_000_000)


def is_answering(turns: list[Message]) -> bool:
    return any(reply.status in ACTIVE for turn in turns for reply in turn.replies.all())


def status_sentence(*, is_active: bool) -> str:
    return _("Answering…") if is_active else _("Done.")


def _newest_meter(session: ChatSession, turns: list[Message]) -> ContextMeter | None:
    limits = _limits(session)
    for turn in reversed(turns):
        if meter := _fullest(turn.replies.all(), limits):
            return meter
    return None


def _limits(session: ChatSession) -> dict[UUID, int]:
    """What each model can read at once; while names are hidden the least of them, since each would tell a model."""
    limits = {row.pk: row.base_model.context_length for row in session.answerers.all()}
    if session.hides_names:
        return dict.fromkeys(limits, min(limits.values()))
    return limits


def _fullest(replies: Iterable[Reply], limits: dict[UUID, int]) -> ContextMeter | None:
    meters = [
        ContextMeter(used, limit)
        for reply in replies
        if (limit := limits[reply.answerer_id])
        and (used := reply.usage.get("prompt_tokens", 0) + reply.usage.get("completion_tokens", 0))
    ]
    return max(meters, key=lambda meter: meter.used / meter.limit, default=None)


def suggestions(session: ChatSession) -> list[str]:
    """First questions of the person's own datasets, from which models of the chat have learned.

    A classmate shares an adapter, not its dataset. The order tells nothing of the models'.
    """
    jobs = {row.job_id: row.job for row in session.answerers.all() if row.job is not None}
    own = [job for job in jobs.values() if job.owner_id == session.owner_id]
    found = [_questions(job) for job in sorted(own, key=lambda job: str(job.pk))]
    in_turn = (question for round_ in zip_longest(*found) for question in round_ if question)
    return list(dict.fromkeys(in_turn))[:SUGGESTIONS]


def _questions(job: TrainingJob) -> list[str]:
    try:
        examples = read_examples(job.dataset_version, limit=4 * SUGGESTIONS)
    except OSError:
        # The dataset's file is of no further use to the adapter; without it the chat only loses its suggestions.
        return []
    questions = dict.fromkeys(filter(None, map(_first_question, examples)))
    return [question for question in questions if len(question) <= SUGGESTION_CHARACTERS]


def _first_question(example: Example) -> str:
    asked = next((turn.content for turn in example.turns if turn.role == "user"), example.prompt)
    return asked.strip()


# --- messages of the socket: every top-level element replaces or extends the element of its id -----


def conversation_message(session: ChatSession, turns: list[Message]) -> str:
    """The whole conversation as it was read: the socket counts on the page to hold exactly these texts."""
    return render_to_string("chat/live_conversation.html", conversation_context(session, turns))


def reply_message(reply: Reply) -> str:
    """The reply in the place of whichever take the page shows there."""
    context: dict[str, Any] = {"answer": answer_of(reply, places_of([reply])), "is_live": True}
    if reply.status not in ACTIVE:
        context |= turn_context(reply.message)
    return render_to_string("chat/live_reply.html", context)


def standing_reply_message(reply: Reply) -> str:
    """Another take, unless the page shows it already."""
    context = {"answer": answer_of(reply, {}), "is_live": True, "unless_there": True}
    return render_to_string("chat/live_reply.html", context | turn_context(reply.message))


def foot_message(message: Message) -> str:
    """What can be done with a turn as a whole, and what the votes say."""
    context = {"is_live": True, **turn_context(message)}
    return render_to_string("chat/live_foot.html", context)


def turn_context(message: Message) -> dict[str, Any]:
    """The foot of a turn, and what depends on all of its replies."""
    session = message.session
    replies = list(message.replies.filter(is_chosen=True))
    context: dict[str, Any] = {"meter": _fullest(replies, _limits(session))}
    if session.kind == ChatSession.Kind.CHAT and session.is_compared:
        vote = Vote.objects.filter(message=message).first()
        ballot = ballot_of(session, message, replies, vote)
        context |= {"foot_of": message, "ballot": ballot, **_votes_context(session)}
    return context


def names_message(session: ChatSession) -> str:
    """The models at the head of the page, once their names are told; the arena shows them in its own way."""
    if session.kind != ChatSession.Kind.CHAT:
        return ""
    return render_to_string("chat/header_models.html", {"session": session, "is_live": True})


def text_message(reply_id: str, text: str) -> SafeString:
    """The next piece of a streamed reply, to be added behind what is there."""
    return format_html(
        '<div id="reply-{}-text" hx-swap-oob="beforeend">{}</div>', reply_id, harmless_text(text)
    )


def status_message(*, is_active: bool) -> SafeString:
    return format_html(
        '<div id="chat-status" hx-swap-oob="innerHTML">{}</div>',
        status_sentence(is_active=is_active),
    )
