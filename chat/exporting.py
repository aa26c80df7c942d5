"""A chat as a file: JSON with everything that was stored, or Markdown to read. Always an attachment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Prefetch
from django.http import HttpResponse
from django.utils.formats import date_format
from django.utils.http import content_disposition_header
from django.utils.text import slugify
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from chat.ballots import vote_sentence
from chat.models import Answerer, ChatSession, Message, Reply, Vote
from chat.naming import (
    HIDDEN_CODE,
    Face,
    faces_of,
    shown_failure,
    shown_figures,
    shown_name,
)
from chat.rendering import harmless_text
from chat.selectors import branch_of
from common import strict_json
from common.errors import Fault, InvalidInputError

FORMATS = ("json", "markdown")
SCOPES = ("branch", "all")
MAX_FILE_NAME_CHARACTERS = 80
Scope = Literal["branch", "all"]


def export_response(session: ChatSession, kind: str, scope: str) -> HttpResponse:
    """The chat as a file that the browser saves.

    Args:
        kind: one of FORMATS.
        scope: `branch` for the branch in view with the replies that stand in it, `all` for every branch and take.

    Raises:
        InvalidInputError: another kind or scope.
    """
    for name, value, known in (("format", kind, FORMATS), ("scope", scope, SCOPES)):
        if value not in known:
            sentence = _("Choose one of: %(choices)s.") % {"choices": ", ".join(known)}
            raise InvalidInputError(sentence, faults=[Fault(sentence, field=name)])
    messages = _messages(session, is_whole=scope == "all")
    if kind == "json":
        content, content_type, ending = _as_json(session, messages), "application/json", "json"
    else:
        content, content_type, ending = (
            _as_markdown(session, messages),
            "text/markdown; charset=utf-8",
            "md",
        )
    response = HttpResponse(content.encode("utf-8", "replace"), content_type=content_type)
    name = slugify(session.name, allow_unicode=True)[:MAX_FILE_NAME_CHARACTERS] or "chat"
    disposition = content_disposition_header(True, f"{name}.{ending}")
    response.headers["Content-Disposition"] = disposition or "attachment"
    return response


def _messages(session: ChatSession, *, is_whole: bool) -> list[Message]:
    replies = Reply.objects.select_related("answerer")
    if not is_whole:
        replies = replies.filter(is_chosen=True)
    rows = session.messages.select_related("vote").order_by("created_at")
    rows = rows.prefetch_related(Prefetch("replies", replies))
    return list(rows) if is_whole else branch_of(rows, session.head_id)


# --- JSON --------------------------------------------------------------------------------------------


def whole_as_json(session: ChatSession) -> bytes:
    """Every branch and take, as the file of the whole chat has it."""
    return _as_json(session, _messages(session, is_whole=True)).encode("utf-8", "replace")


def _as_json(session: ChatSession, messages: Iterable[Message]) -> str:
    faces = faces_of(session)
    data = {
        "id": session.pk,
        "name": session.name,
        "created_at": session.created_at,
        "updated_at": session.updated_at,
        "settings": session.settings,
        "is_blind": session.is_blind,
        "revealed_at": session.revealed_at,
        "models": [_model_data(row, faces[row.pk]) for row in session.answerers.all()],
        "head": session.head_id,
        "messages": [_message_data(message) for message in messages],
    }
    return strict_json.dumps(data, encoder=DjangoJSONEncoder)


def _model_data(answerer: Answerer, face: Face) -> dict[str, Any]:
    is_told = not face.is_hidden
    return {
        "id": answerer.pk,
        "kind": answerer.kind if is_told else None,
        "name": face.name,
        "letter": face.letter or None,
        "base_model": answerer.base_model.name if is_told else None,
        "job_id": answerer.job_id if is_told else None,
    }


def _message_data(message: Message) -> dict[str, Any]:
    return {
        "id": message.pk,
        "parent": message.parent_id,
        "content": message.text,
        "history": message.history,
        "created_at": message.created_at,
        "replies": [_reply_data(message.session, reply) for reply in message.replies.all()],
        "vote": _vote_data(getattr(message, "vote", None)),
    }


def _vote_data(vote: Vote | None) -> dict[str, Any] | None:
    if vote is None:
        return None
    return {"verdict": vote.verdict, "model": vote.winner_id, "was_blind": vote.was_blind}


def _reply_data(session: ChatSession, reply: Reply) -> dict[str, Any]:
    return {
        "id": reply.pk,
        "model": reply.answerer_id,
        "take": reply.take,
        "is_chosen": reply.is_chosen,
        "status": reply.status,
        "content": reply.text,
        "sampling": reply.sampling,
        "finish_reason": reply.finish_reason or None,
        "usage": shown_figures(session, reply.usage),
        "timings": shown_figures(session, reply.timings),
        "logprobs": reply.logprobs,
        "rating": reply.rating,
        "corrected_text": reply.corrected_text or None,
        "error_code": _error_code(session, reply),
        "created_at": reply.created_at,
        "completed_at": reply.completed_at,
    }


def _error_code(session: ChatSession, reply: Reply) -> str | None:
    return HIDDEN_CODE if reply.error_code and session.hides_names else reply.error_code or None


# --- Markdown ----------------------------------------------------------------------------------------


def _as_markdown(session: ChatSession, messages: list[Message]) -> str:
    numbers = {message.pk: number for number, message in enumerate(messages, start=1)}
    blocks = [f"# {harmless_text(session.name)}", *_models_in_words(session)]
    if prompt := session.settings.get("system_prompt"):
        blocks += [f"**{_('System prompt')}**", harmless_text(prompt)]
    before: Message | None = None
    for message in messages:
        blocks.append(_heading(message, before, numbers))
        blocks.append(harmless_text(message.text))
        for reply in message.replies.all():
            blocks += _reply_blocks(session, reply)
        blocks += _vote_blocks(session, getattr(message, "vote", None))
        before = message
    return "\n\n".join(blocks) + "\n"


def _models_in_words(session: ChatSession) -> list[str]:
    faces = faces_of(session)
    lines = [f"- {_named(row, faces[row.pk])}" for row in session.answerers.all()]
    return ["\n".join(lines), date_format(localtime(session.created_at), "SHORT_DATETIME_FORMAT")]


def _named(answerer: Answerer, face: Face) -> str:
    label = harmless_text(face.name)
    if face.is_hidden:
        return label
    start = f"{face.letter}: " if face.letter else ""
    if answerer.kind == Answerer.Kind.TUNED:
        origin = {"job": label, "base_model": answerer.base_model.name}
        label = _("%(job)s, tuned from %(base_model)s") % origin
    return f"{start}{face.kind_name}: {label}"


def _heading(message: Message, before: Message | None, numbers: dict[Any, int]) -> str:
    own = numbers[message.pk]
    if message.parent_id == (before.pk if before else None):
        return "## " + _("You (%(number)d)") % {"number": own}
    if message.parent_id is None:
        return "## " + _("You (%(number)d), another beginning") % {"number": own}
    return "## " + _("You (%(number)d), a branch behind message %(parent)d") % {
        "number": own,
        "parent": numbers.get(message.parent_id, 0),
    }


def _reply_blocks(session: ChatSession, reply: Reply) -> list[str]:
    title = f"### {harmless_text(shown_name(session, reply.answerer))}"
    if reply.take > 1 or not reply.is_chosen:
        title += " · " + _("take %(number)d") % {"number": reply.take}
    blocks = [title, harmless_text(reply.text) or shown_failure(session, reply)]
    if reply.corrected_text:
        blocks += [f"**{_('What it should have answered')}**", harmless_text(reply.corrected_text)]
    if facts := _facts(session, reply):
        blocks.append(f"`{facts}`")
    return [block for block in blocks if block]


def _vote_blocks(session: ChatSession, vote: Vote | None) -> list[str]:
    sentence = vote_sentence(session, vote)
    return [f"**{_('Vote')}**: {harmless_text(sentence)}"] if sentence else []


def _facts(session: ChatSession, reply: Reply) -> str:
    """Settings and figures in the names that programs use."""
    values = {
        **{name: value for name, value in reply.sampling.items() if value not in ([], None)},
        **shown_figures(session, reply.usage),
        **shown_figures(session, reply.timings),
    }
    return ", ".join(f"{name}={value}" for name, value in values.items())
