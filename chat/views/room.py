"""An open conversation: the page, what polling gets, sending and stopping."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from chat.conversations import turns_of
from chat.forms.faults import add_domain_error
from chat.forms.keeping import SystemPromptForm
from chat.forms.message import MessageForm
from chat.fragments import conversation_context
from chat.models import ChatSession, Message
from chat.queueing import places_of
from chat.selectors import messages, sessions_visible_to
from chat.services.sending import cancel_replies, send_message
from chat.views.changing import status_of
from chat.views.owned import owned_session
from common.errors import DomainError
from common.http import AuthenticatedRequest

SIDEBAR_SESSIONS = 30


@login_required
@require_GET
def session_detail(request: AuthenticatedRequest, session_id: UUID) -> HttpResponse:
    session = owned_session(request.user, session_id)
    if session.kind == ChatSession.Kind.DUEL:
        return redirect("chat:arena_duel", session.pk)
    return show_room(request, session)


@login_required
@require_GET
def session_live(request: AuthenticatedRequest, session_id: UUID) -> HttpResponse:
    """What the socket would have sent, for a page whose socket is down."""
    session = owned_session(request.user, session_id)
    return render(
        request, "chat/polled_conversation.html", conversation_context(session, messages(session))
    )


@login_required
@require_POST
def message_send(request: AuthenticatedRequest, session_id: UUID) -> HttpResponse:
    session = owned_session(request.user, session_id)
    form = MessageForm.of_request(request.POST)
    status = 422
    if form.is_valid():
        try:
            return _sent(request, session, _send(session, form))
        except DomainError as error:
            add_domain_error(form, error, names={"message": "text"})
            status = status_of(error)
    if request.htmx:
        context = {"session": session, "form": form}
        return render(request, "chat/composer.html", context, status=status)
    return show_room(request, session, form=form, status=status)


@login_required
@require_POST
def session_cancel(request: AuthenticatedRequest, session_id: UUID) -> HttpResponse:
    session = owned_session(request.user, session_id)
    cancel_replies(session)
    if request.htmx:
        return HttpResponse(status=204)
    return redirect("chat:session_detail", session.pk)


def show_room(
    request: AuthenticatedRequest,
    session: ChatSession,
    *,
    form: MessageForm | None = None,
    prompt_form: SystemPromptForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """The whole page."""
    context: dict[str, Any] = {
        **conversation_context(session, messages(session)),
        "form": form or MessageForm.for_session(session),
        "prompt_form": prompt_form or SystemPromptForm.of_session(session),
        "other_sessions": sessions_visible_to(request.user)[:SIDEBAR_SESSIONS],
    }
    return render(request, "chat/session_detail.html", context, status=status)


def _send(session: ChatSession, form: MessageForm) -> Message:
    return send_message(
        session,
        text=form.cleaned_data["text"],
        sampling=form.sampling(),
        after=form.cleaned_data["after"],
    )


def _sent(request: AuthenticatedRequest, session: ChatSession, message: Message) -> HttpResponse:
    if not request.htmx:
        return redirect("chat:session_detail", session.pk)
    replies = list(message.replies.all())
    turn = turns_of(session, [message], places_of(replies))[0]
    response = render(request, "chat/sent.html", {"session": session, "turn": turn})
    # Only the turn is brought to the log: a new composer would take the keyboard away from the person.
    response["HX-Reswap"] = "none"
    response["HX-Trigger"] = "chat:sent"
    return response
