"""Chat pages: the list, a new chat, the conversation and what its buttons do."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages as notices
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import User
from chat import services
from chat.forms import MessageForm, NewSessionForm, RenameForm, add_domain_error
from chat.fragments import conversation_context
from chat.models import ChatSession, Message
from chat.selectors import get_session, messages, sessions_visible_to
from common.errors import DomainError, InvalidInputError, NotFoundError
from common.http import AuthenticatedRequest

SESSIONS_PER_PAGE = 20
SIDEBAR_SESSIONS = 30


@login_required
@require_GET
def session_list(request: AuthenticatedRequest) -> HttpResponse:
    page = Paginator(sessions_visible_to(request.user), SESSIONS_PER_PAGE).get_page(
        request.GET.get("page")
    )
    return render(request, "chat/session_list.html", {"page": page})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def session_new(request: AuthenticatedRequest) -> HttpResponse:
    job_id = _uuid_text(request.GET.get("job", ""))
    form = NewSessionForm(
        request.user,
        request.POST or None,
        preselected_job=job_id,
        preselected_base_model=request.GET.get("model", ""),
    )
    if request.method == "POST" and form.is_valid():
        try:
            session = services.create_session(request.user, **form.session_arguments())
            return redirect("chat:session_detail", session.pk)
        except DomainError as error:
            add_domain_error(form, error, names={"message": "system_prompt"})
    return render(
        request, "chat/session_new.html", {"form": form}, status=422 if form.errors else 200
    )


@login_required
@require_GET
def session_detail(request: AuthenticatedRequest, session_id: UUID) -> HttpResponse:
    session = _session(request.user, session_id)
    return _room(request, session, MessageForm.for_session(session))


@login_required
@require_GET
def session_live(request: AuthenticatedRequest, session_id: UUID) -> HttpResponse:
    """What the socket would have sent, for a page whose socket is down."""
    session = _session(request.user, session_id)
    return render(
        request, "chat/polled_conversation.html", conversation_context(session, messages(session))
    )


@login_required
@require_POST
def message_send(request: AuthenticatedRequest, session_id: UUID) -> HttpResponse:
    session = _session(request.user, session_id)
    form = MessageForm.of_request(request.POST)
    message = _send(session, form) if form.is_valid() else None
    if message is not None:
        return _sent(request, session, message)
    if request.htmx:
        return render(request, "chat/composer.html", {"session": session, "form": form}, status=422)
    return _room(request, session, form, status=422)


@login_required
@require_POST
def session_cancel(request: AuthenticatedRequest, session_id: UUID) -> HttpResponse:
    session = _session(request.user, session_id)
    services.cancel_replies(session)
    if request.htmx:
        return HttpResponse(status=204)
    return redirect("chat:session_detail", session.pk)


@login_required
@require_POST
def session_rename(request: AuthenticatedRequest, session_id: UUID) -> HttpResponse:
    session = _session(request.user, session_id)
    form = RenameForm(request.POST)
    try:
        if not form.is_valid():
            raise InvalidInputError(" ".join(str(error) for error in form.errors["name"]))
        services.rename_session(session, form.cleaned_data["name"])
    except InvalidInputError as error:
        notices.error(request, str(error.message))
    return redirect("chat:session_detail", session.pk)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def session_delete(request: AuthenticatedRequest, session_id: UUID) -> HttpResponse:
    session = _session(request.user, session_id)
    if request.method == "POST":
        services.delete_session(session)
        notices.success(request, _("The chat “%(name)s” is deleted.") % {"name": session.name})
        return redirect("chat:session_list")
    return render(request, "chat/session_delete.html", {"session": session})


def _session(user: User, session_id: UUID) -> ChatSession:
    try:
        return get_session(user, session_id)
    except NotFoundError as error:
        raise Http404(str(error.message)) from error


def _uuid_text(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return ""


def _send(session: ChatSession, form: MessageForm) -> Message | None:
    """The message, or None with the reason in the form."""
    try:
        return services.send_message(
            session, text=form.cleaned_data["text"], sampling=form.sampling()
        )
    except DomainError as error:
        add_domain_error(form, error, names={"message": "text"})
        return None


def _sent(request: AuthenticatedRequest, session: ChatSession, message: Message) -> HttpResponse:
    if not request.htmx:
        return redirect("chat:session_detail", session.pk)
    response = render(request, "chat/sent.html", {"message": message})
    # Only the turn is brought to the log: a new composer would take the keyboard away from the person.
    response["HX-Reswap"] = "none"
    response["HX-Trigger"] = "chat:sent"
    return response


def _room(
    request: AuthenticatedRequest, session: ChatSession, form: MessageForm, *, status: int = 200
) -> HttpResponse:
    context: dict[str, Any] = {
        **conversation_context(session, messages(session)),
        "form": form,
        "rename_form": RenameForm(initial={"name": session.name}, auto_id="rename_%s"),
        "other_sessions": sessions_visible_to(request.user)[:SIDEBAR_SESSIONS],
    }
    return render(request, "chat/session_detail.html", context, status=status)
