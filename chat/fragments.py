"""The parts of a conversation that change while it is open, as HTML for the page, for polling and for the socket."""

from __future__ import annotations

from typing import Any

from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from chat.models import ChatSession, Message, Reply
from chat.selectors import ACTIVE
from datasets_app.selectors import read_examples
from engine.data.records import Example

SUGGESTIONS = 4
SUGGESTION_CHARACTERS = 160


def conversation_context(session: ChatSession, turns: list[Message]) -> dict[str, Any]:
    return {
        "session": session,
        "turns": turns,
        "is_answering": is_answering(turns),
        "suggestions": [] if turns else suggestions(session),
    }


def is_answering(turns: list[Message]) -> bool:
    return any(reply.status in ACTIVE for turn in turns for reply in turn.replies.all())


def status_sentence(*, is_active: bool) -> str:
    return _("Answering…") if is_active else _("Done.")


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
    return render_to_string("chat/reply.html", {"reply": reply, "is_live": True})


def text_message(reply_id: str, text: str) -> SafeString:
    """The next piece of a streamed reply, to be added behind what is there."""
    return format_html('<div id="reply-{}-text" hx-swap-oob="beforeend">{}</div>', reply_id, text)


def status_message(*, is_active: bool) -> SafeString:
    return format_html(
        '<div id="chat-status" hx-swap-oob="innerHTML">{}</div>',
        status_sentence(is_active=is_active),
    )
