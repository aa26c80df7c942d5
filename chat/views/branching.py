"""Ask differently, answer again, and go between branches and takes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from chat.conversations import turns_of
from chat.forms.faults import add_domain_error
from chat.forms.message import EditForm, MessageForm
from chat.models import Reply
from chat.services.branching import (
    choose_take,
    edit_message,
    regenerate,
    regenerate_all,
    show_branch,
)
from chat.views.changing import refuse, show_conversation, show_take, status_of
from chat.views.owned import owned_message, owned_reply
from common.errors import DomainError, InvalidInputError
from common.http import AuthenticatedRequest


@login_required
@require_GET
def message_detail(request: AuthenticatedRequest, message_id: UUID) -> HttpResponse:
    """A message as it stands in the log."""
    message = owned_message(request.user, message_id)
    turn = turns_of(message.session, [message], {})[0]
    return render(request, "chat/message.html", {"message": message, "branches": turn.branches})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def message_edit(request: AuthenticatedRequest, message_id: UUID) -> HttpResponse:
    message = owned_message(request.user, message_id)
    form = EditForm.of_message(message, request.POST if request.method == "POST" else None)
    status = 422
    if request.method == "POST" and form.is_valid():
        try:
            new = edit_message(
                message, text=form.cleaned_data["text"], sampling=_sampling_of(request.POST)
            )
            return show_conversation(request, message.session, new, unless_there=f"turn-{new.pk}")
        except DomainError as error:
            add_domain_error(form, error, names={"message": "text"})
            status = status_of(error)
    template = "chat/message_edit.html" if request.htmx else "chat/message_edit_page.html"
    context = {"message": message, "session": message.session, "form": form}
    return render(request, template, context, status=status if form.errors else 200)


@login_required
@require_POST
def branch_show(request: AuthenticatedRequest, message_id: UUID) -> HttpResponse:
    message = owned_message(request.user, message_id)
    try:
        session = show_branch(message)
    except DomainError as error:
        return refuse(request, message, error)
    return show_conversation(request, session, message)


@login_required
@require_POST
def reply_regenerate(request: AuthenticatedRequest, reply_id: UUID) -> HttpResponse:
    reply = owned_reply(request.user, reply_id)
    try:
        sampling = _sampling_of(request.POST)
        # The seed of the composer belongs to the next message: the same again would draw the same answer.
        sampling.pop("seed", None)
        take = regenerate(reply, sampling=sampling)
    except DomainError as error:
        return refuse(request, reply.message, error)
    return show_take(request, take, notice=_greedy_notice(take))


@login_required
@require_POST
def message_regenerate(request: AuthenticatedRequest, message_id: UUID) -> HttpResponse:
    """Every model answers again, all with the same seed."""
    message = owned_message(request.user, message_id)
    try:
        sampling = _sampling_of(request.POST)
        sampling.pop("seed", None)
        takes = regenerate_all(message, sampling=sampling)
    except DomainError as error:
        return refuse(request, message, error)
    return show_conversation(request, message.session, message, notice=_greedy_notice(takes[0]))


@login_required
@require_POST
def take_choose(request: AuthenticatedRequest, reply_id: UUID) -> HttpResponse:
    reply = owned_reply(request.user, reply_id)
    try:
        return show_take(request, choose_take(reply))
    except DomainError as error:
        return refuse(request, reply.message, error)


def _greedy_notice(take: Reply) -> str:
    """What surprises at a temperature of 0; empty otherwise."""
    if take.sampling["temperature"] > 0:
        return ""
    return _(
        "At a temperature of 0 the answer only changes when the conversation or the settings did."
    )


def _sampling_of(data: QueryDict) -> dict[str, Any]:
    """The settings that stand in the composer; without scripts they do not come along.

    Raises:
        InvalidInputError: one of them can not be used.
    """
    if "temperature" not in data:
        return {}
    form = MessageForm.of_request(data)
    if not form.is_valid() and form.has_sampling_errors():
        raise InvalidInputError(
            _("The settings of the answer can not be used. Open them and mend what is marked.")
        )
    return form.sampling()
