"""Which answer was best, and the names of a blind chat's models."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest
from django.utils.translation import gettext as _

from chat.api.router import router
from chat.ballots import answerer_of
from chat.finding import get_message
from chat.models import Answerer, ChatSession, Message
from chat.schemas import RevealRequest, SessionSchema, VoteRequest, VoteSchema
from chat.selectors import get_session
from chat.services.voting import cast, reveal
from common.api import ERROR_RESPONSES, current_user
from common.errors import Fault, InvalidInputError


@router.post(
    "/messages/{uuid:message_id}/vote",
    response={200: VoteSchema} | ERROR_RESPONSES,
    summary="Say which answer to a message was best",
)
def vote(request: HttpRequest, message_id: UUID, body: VoteRequest) -> VoteSchema:
    """A later vote takes the place of an earlier one. What was voted blind stands once the names are revealed."""
    message = get_message(current_user(request), message_id)
    return VoteSchema.of_vote(cast(message, body.verdict, _winner(message, body.answerer_id)))


@router.post(
    "/sessions/{uuid:session_id}/reveal",
    response={200: SessionSchema} | ERROR_RESPONSES,
    summary="Reveal the names of a blind chat",
)
def reveal_names(
    request: HttpRequest, session_id: UUID, body: RevealRequest | None = None
) -> ChatSession:
    """Needs a vote, unless `without_vote` says that there shall be none."""
    session = get_session(current_user(request), session_id)
    return reveal(session, is_vote_needed=not (body and body.without_vote))


def _winner(message: Message, answerer_id: UUID | None) -> Answerer | None:
    if answerer_id is None:
        return None
    answerer = answerer_of(message.session, str(answerer_id))
    if answerer is None:
        sentence = _("This model is not in this chat. Name one of those that answered.")
        raise InvalidInputError(sentence, faults=[Fault(sentence, field="answerer_id")])
    return answerer
