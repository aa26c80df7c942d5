"""What a changed conversation is answered with: the parts of the page that changed, or without scripts the page."""

from __future__ import annotations

from django.contrib import messages as notices
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django_htmx.http import trigger_client_event

from chat.conversations import answer_of
from chat.fragments import conversation_context, read_at, turn_context
from chat.models import ChatSession, Message, Reply
from chat.queueing import places_of
from chat.selectors import ACTIVE, messages
from common.errors import DomainError, TooManyRequestsError
from common.http import AuthenticatedRequest


def show_conversation(
    request: AuthenticatedRequest,
    session: ChatSession,
    message: Message,
    *,
    unless_there: str = "",
    notice: str = "",
) -> HttpResponse:
    """Another branch comes into view, and the focus goes to its message.

    Args:
        unless_there: id of an element that tells that the socket has brought the branch already, and more of it.
        notice: a sentence to show for a moment.
    """
    if not request.htmx:
        return redirect(room_address(message))
    context = conversation_context(session, messages(session))
    response = render(
        request, "chat/live_conversation.html", context | {"unless_there": unless_there}
    )
    return _with_notice(_quietly(response, message), notice)


def show_take(request: AuthenticatedRequest, reply: Reply, *, notice: str = "") -> HttpResponse:
    """Another take comes into view."""
    if not request.htmx:
        return redirect(room_address(reply.message))
    is_new = reply.status in ACTIVE
    context = {
        "answer": answer_of(reply, places_of([reply])),
        "is_answering": is_new,
        "unless_there": is_new,
        "read_at": read_at(),
        **({} if is_new else turn_context(reply.message)),
    }
    response = _quietly(render(request, "chat/taken.html", context), reply.message)
    return _with_notice(response, notice)


def refuse(request: AuthenticatedRequest, message: Message, error: DomainError) -> HttpResponse:
    """Nothing changed; the sentence says why."""
    if not request.htmx:
        notices.error(request, str(error.message))
        return redirect(room_address(message))
    response = HttpResponse(status=status_of(error))
    response["HX-Reswap"] = "none"
    return trigger_client_event(response, "toast", {"value": str(error.message)})


def status_of(error: DomainError) -> int:
    """A form that was refused is one that can be mended, except where the answer is to wait."""
    return error.status if isinstance(error, TooManyRequestsError) else 422


def room_address(message: Message) -> str:
    return f"{reverse('chat:session_detail', args=[message.session_id])}#turn-{message.pk}"


def _with_notice(response: HttpResponse, notice: str) -> HttpResponse:
    return trigger_client_event(response, "toast", {"value": notice}) if notice else response


def _quietly(response: HttpResponse, message: Message) -> HttpResponse:
    """Only what names its own place is swapped; afterwards a lost focus goes to the turn."""
    response["HX-Reswap"] = "none"
    return trigger_client_event(
        response, "chat:changed", {"turn": f"turn-{message.pk}"}, after="settle"
    )
