"""POST /chat/completions and GET /models."""

from __future__ import annotations

import asyncio
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _
from ninja import Header, Router

from accounts.idempotency import once
from accounts.models import User
from chat.models import Reply
from chat.openai_api.answers import Answer
from chat.openai_api.catalog import describe, find_model, known_models
from chat.openai_api.errors import failure_of
from chat.openai_api.following import Follower, read_ended
from chat.openai_api.reading import Order, read_order
from chat.openai_api.schemas import (
    Completion,
    CompletionRequest,
    ErrorBody,
    ModelList,
    ModelSchema,
)
from chat.openai_api.streaming import streaming_response
from chat.services import completing
from common.api import current_user
from common.errors import NotFoundError, UnavailableError

ERRORS: dict[int, type[ErrorBody]] = dict.fromkeys((400, 401, 404, 413, 429, 503), ErrorBody)

router = Router(tags=["openai"])


@router.get(
    "/models",
    response={200: ModelList} | ERRORS,
    summary="Every model that the caller may talk to",
)
def list_models(request: HttpRequest) -> ModelList:
    return ModelList(data=known_models(current_user(request)))


@router.get("/models/{path:model}", response={200: ModelSchema} | ERRORS, summary="One model")
def get_model(request: HttpRequest, model: str) -> ModelSchema:
    return describe(find_model(current_user(request), model))


@router.post(
    "/chat/completions",
    response={200: Completion} | ERRORS,
    summary="Answer a conversation, whole or piece by piece",
    description=(
        "With `stream: true` the answer comes as server-sent events, each a `chat.completion.chunk`, and "
        "`data: [DONE]` last; a failure after the first piece is an event with `error`. A program that hangs up "
        "gives its place back, unless it sent an `Idempotency-Key`: then it may ask for the same answer again. "
        "Keys count for answers that are not streamed."
    ),
)
async def create_completion(
    request: HttpRequest,
    body: CompletionRequest,
    idempotency_key: str | None = Header(None, alias="Idempotency-Key"),
) -> dict[str, Any] | HttpResponseBase:
    order = read_order(body)
    key = None if order.is_streamed else idempotency_key
    asked = asyncio.ensure_future(_ask(current_user(request), body.model, order, key))
    try:
        reply, answer = await asyncio.shield(asked)
    except asyncio.CancelledError:
        # The program hung up while its request was being stored.
        if not key:
            await _withdraw((await asked)[0])
        raise
    if order.is_streamed:
        return streaming_response(reply, answer, order)
    await _wait(reply, is_kept=bool(key))
    reply = await read_ended(reply)
    if (failure := failure_of(reply)) is not None:
        raise failure
    return answer.whole(reply)


@sync_to_async
def _ask(user: User, model: str, order: Order, key: str | None) -> tuple[Reply, Answer]:
    def create() -> Reply:
        found = find_model(user, model)
        return completing.ask(user, found, turns=order.turns, sampling=order.sampling)

    reply = once(
        user,
        scope="chat_completion",
        key=key,
        create=create,
        find=lambda pk: _find_reply(user, pk),
    )
    return reply, Answer(reply, model=model, order=order)


def _find_reply(user: User, pk: str) -> Reply:
    parts = ("message", "answerer__base_model", "answerer__job__adapter")
    reply = Reply.objects.select_related(*parts).filter(pk=pk, message__session__owner=user).first()
    if reply is None:
        raise NotFoundError(
            _(
                "The answer to this request is not kept any more. Send it with another Idempotency-Key."
            )
        )
    return reply


async def _wait(reply: Reply, *, is_kept: bool) -> None:
    """Until the reply has ended; one that nobody waits for any more gives its place back.

    Args:
        is_kept: the program can ask for the same reply again, so it goes on when the program hangs up.
    """
    try:
        async for _piece in Follower(reply).growth():
            pass
    except asyncio.CancelledError:
        if not is_kept:
            await asyncio.shield(_withdraw(reply))
        raise
    except UnavailableError:
        await _withdraw(reply)
        raise


@sync_to_async
def _withdraw(reply: Reply) -> None:
    completing.withdraw(reply)
