"""The answers to one message against the first of them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from chat.differences import Difference, Piece, difference
from chat.models import Message
from chat.naming import Face, faces_of
from chat.rendering import harmless_text
from chat.selectors import ACTIVE
from chat.views.changing import refuse, room_address
from chat.views.owned import owned_message
from common.errors import ConflictError
from common.http import AuthenticatedRequest


@dataclass(frozen=True, slots=True)
class Column:
    """One answer; note says what its marks alone do not."""

    face: Face
    pieces: list[Piece]
    note: str


@login_required
@require_GET
def message_differences(request: AuthenticatedRequest, message_id: UUID) -> HttpResponse:
    """A fragment for the page of the chat; without scripts a page of its own."""
    message = owned_message(request.user, message_id)
    columns = _columns(message)
    if len(columns) < 2:
        sentence = _(
            "There are not two answers to compare here yet. Wait until the models have answered."
        )
        return refuse(request, message, ConflictError(sentence))
    template = "chat/differences.html" if request.htmx else "chat/differences_page.html"
    context = {
        "session": message.session,
        "message": message,
        "columns": columns,
        "room_url": room_address(message),
    }
    return render(request, template, context)


def _columns(message: Message) -> list[Column]:
    """The first answer as it stands, and each other one with its marks; nothing while one is being written."""
    replies = list(message.replies.filter(is_chosen=True))
    if any(reply.status in ACTIVE for reply in replies):
        return []
    faces = faces_of(message.session)
    texts = [
        (faces[reply.answerer_id], harmless_text(reply.text)) for reply in replies if reply.text
    ]
    if not texts:
        return []
    (first, measure), *others = texts
    columns = [
        Column(first, [Piece("same", measure)], _("The others are measured by this answer."))
    ]
    return columns + [_column(face, text, difference(measure, text)) for face, text in others]


def _column(face: Face, text: str, found: Difference) -> Column:
    if found.is_same and not found.is_cut:
        return Column(face, found.pieces, _("Word for word the same."))
    if found.is_unlike:
        note = _("Hardly anything is the same here, so nothing is marked.")
        return Column(face, [Piece("same", text)], note)
    note = _("Very long: only the beginning is compared.") if found.is_cut else ""
    return Column(face, found.pieces, note)
