"""Which answer was best, and the names of a blind chat."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages as notices
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRefresh

from chat.ballots import answerer_of, ballot_of, tally_of
from chat.models import Message, Vote
from chat.services.voting import cast, reveal
from chat.views.changing import refuse, room_address
from chat.views.owned import owned_message, owned_session
from common.errors import DomainError, InvalidInputError
from common.http import AuthenticatedRequest


@login_required
@require_POST
def message_vote(request: AuthenticatedRequest, message_id: UUID) -> HttpResponse:
    message = owned_message(request.user, message_id)
    try:
        vote = _cast(message, request.POST.get("choice", ""))
    except DomainError as error:
        return refuse(request, message, error)
    if not request.htmx:
        return redirect(room_address(message))
    session = message.session
    replies = list(message.replies.filter(is_chosen=True))
    context = {
        "session": session,
        "foot_of": message,
        "ballot": ballot_of(session, message, replies, vote),
        "tally": tally_of(session),
    }
    return render(request, "chat/voted.html", context)


@login_required
@require_POST
def session_reveal(request: AuthenticatedRequest, session_id: UUID) -> HttpResponse:
    session = owned_session(request.user, session_id)
    try:
        reveal(session, is_vote_needed="without_vote" not in request.POST)
    except DomainError as error:
        notices.error(request, str(error.message))
    if request.htmx:
        # What the socket brought has no token of its own; htmx sends that of the page.
        return HttpResponseClientRefresh()
    return redirect(f"{reverse('chat:session_detail', args=[session.pk])}#chat-votes")


def _cast(message: Message, choice: str) -> Vote:
    """The value of a button of the ballot: `better:` with the model's id, or another verdict."""
    verdict, _separator, answerer_id = choice.partition(":")
    winner = answerer_of(message.session, answerer_id) if answerer_id else None
    if answerer_id and winner is None:
        raise InvalidInputError(
            _("This model is not in this chat. Load the page again, then vote.")
        )
    return cast(message, verdict, winner)
