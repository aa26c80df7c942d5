"""The parts of a conversation that change while it is open, as HTML for the page, for polling and for the socket."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from chat.conversations import Turn, answer_of, turns_of
from chat.models import ChatSession, Message, Reply
from chat.queueing import places_of
from chat.rendering import harmless_text
from chat.selectors import ACTIVE
from datasets_app.selectors import read_examples
from engine.data.records import Example

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
        "state": _state(shown),
        "is_answering": is_answering(turns),
        "suggestions": [] if turns else suggestions(session),
        "meter": _newest_meter(session, turns),
        "read_at": read_at(),
    }


def _state(turns: list[Turn]) -> str:
    """Equal for equal conversations, so that a page is not drawn again with what it shows already."""
    seen = [
        (
            turn.message.pk,
            turn.branches,
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
    return hashlib.sha256(repr(seen).encode("utf-8", "replace")).hexdigest()[:16]


def read_at() -> str:
    """Stamps what is shown, so that the page can tell which of two that arrive at once is the older."""
    return str(time.time_ns() // 1_000_000)


def is_answering(turns: list[Message]) -> bool:
    return any(reply.status in ACTIVE for turn in turns for reply in turn.replies.all())


def status_sentence(*, is_active: bool) -> str:
    return _("Answering…") if is_active else _("Done.")


def _newest_meter(session: ChatSession, turns: list[Message]) -> ContextMeter | None:
    limits = {
        answerer.pk: answerer.base_model.context_length for answerer in session.answerers.all()
    }
    for turn in reversed(turns):
        if meter := _fullest((reply, limits[reply.answerer_id]) for reply in turn.replies.all()):
            return meter
    return None


def _fullest(replies: Iterable[tuple[Reply, int]]) -> ContextMeter | None:
    """Of replies and the context length of their models."""
    meters = [
        ContextMeter(used, limit)
        for reply, limit in replies
        if limit
        and (used := reply.usage.get("prompt_tokens", 0) + reply.usage.get("completion_tokens", 0))
    ]
    return max(meters, key=lambda meter: meter.used / meter.limit, default=None)


def _meter_after(reply: Reply) -> ContextMeter | None:
    """Once a reply is over, with those that the other models gave to the same message."""
    chosen = Reply.objects.filter(message=reply.message_id, is_chosen=True)
    rows = chosen.select_related("answerer__base_model")
    return _fullest((row, row.answerer.base_model.context_length) for row in rows)


def suggestions(session: ChatSession) -> list[str]:
    """First questions of the job's dataset: what the tuned model has learned to answer."""
    job = session.main.job
    if job is None:
        return []
    try:
        examples = read_examples(job.dataset_version, limit=4 * SUGGESTIONS)
    except OSError:
        # The dataset's file is of no further use to the adapter; without it the chat only loses its suggestions.
        return []
    questions = dict.fromkeys(filter(None, map(_first_question, examples)))
    return [question for question in questions if len(question) <= SUGGESTION_CHARACTERS][
        :SUGGESTIONS
    ]


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
        context["meter"] = _meter_after(reply)
    return render_to_string("chat/live_reply.html", context)


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
