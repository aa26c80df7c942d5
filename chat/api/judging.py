"""What the caller thinks of a reply."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest

from accounts.models import User
from chat.api.router import router
from chat.finding import get_reply
from chat.models import Reply
from chat.schemas import CorrectionAnswer, CorrectionRequest, MessageSchema, RatingRequest
from chat.services.collecting import add_to_dataset, begin_dataset
from chat.services.judging import correct, rate
from common.api import ERROR_RESPONSES, current_user
from datasets_app.models import DatasetVersion


@router.post(
    "/replies/{uuid:reply_id}/rate",
    response={200: MessageSchema} | ERROR_RESPONSES,
    summary="Rate a reply",
)
def rate_reply(request: HttpRequest, reply_id: UUID, body: RatingRequest) -> MessageSchema:
    return MessageSchema.of_reply(rate(get_reply(current_user(request), reply_id), body.rating))


@router.post(
    "/replies/{uuid:reply_id}/correct",
    response={200: CorrectionAnswer} | ERROR_RESPONSES,
    summary="Say what a reply should have been, and let a dataset learn it",
)
def correct_reply(
    request: HttpRequest, reply_id: UUID, body: CorrectionRequest
) -> CorrectionAnswer:
    """With `dataset_id` or `new_dataset` the question and the better answer become an example of a new version."""
    user = current_user(request)
    reply = correct(get_reply(user, reply_id), body.corrected_text)
    version = _collect(user, reply, body)
    return CorrectionAnswer(
        reply=MessageSchema.of_reply(reply),
        dataset_id=version.dataset_id if version else None,
        version=version.number if version else None,
    )


def _collect(user: User, reply: Reply, body: CorrectionRequest) -> DatasetVersion | None:
    if body.dataset_id is not None:
        return add_to_dataset(user, reply, body.dataset_id)
    if body.new_dataset is not None:
        new = body.new_dataset
        return begin_dataset(user, reply, name=new.name, dataset_type=new.type)
    return None
