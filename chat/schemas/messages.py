"""Turns of a chat, and what is sent to get another."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from ninja import Field, Schema

from chat.models import Message, Reply
from chat.naming import HIDDEN_CODE, shown_failure, shown_figures, shown_name
from engine.config import SamplingParams

SAMPLING_NAMES = ", ".join(SamplingParams.parameters())


class MessageSchema(Schema):
    """One turn: the person's, or one model's. A reply names the message it answers."""

    id: UUID
    role: Literal["user", "assistant"]
    content: str
    created_at: datetime
    message_id: UUID | None = Field(default=None, description="Of a reply: the message it answers")
    target: str | None = Field(
        default=None, description="Of a reply: tuned or base; null while names are hidden"
    )
    status: str | None = Field(
        default=None, description="Of a reply: pending, running, completed, failed or cancelled"
    )
    finish_reason: str | None = Field(
        default=None, description="Of a reply: stop, length, cancelled or error"
    )
    usage: dict[str, Any] = {}
    timings: dict[str, Any] = {}
    sampling: dict[str, Any] = {}
    error_code: str | None = None
    error_message: str | None = None
    parent_id: UUID | None = Field(
        default=None,
        description="Of a message: the one before it; messages with the same one are branches",
    )
    answerer_id: UUID | None = Field(default=None, description="Of a reply: which model answered")
    model: str | None = Field(default=None, description="Of a reply: that model's name")
    take: int | None = Field(default=None, description="Of a reply: counts the model's replies")
    is_chosen: bool | None = Field(
        default=None, description="Of a reply: whether this take stands in the conversation"
    )
    rating: int | None = Field(default=None, description="Of a reply: 1 for good, -1 for bad")
    corrected_text: str | None = Field(
        default=None, description="Of a reply: what it should have been"
    )
    logprobs: list[Any] | None = Field(default=None, description="Of a reply, when asked for")

    @classmethod
    def of_message(cls, message: Message) -> MessageSchema:
        return cls(
            id=message.pk,
            role="user",
            content=message.text,
            created_at=message.created_at,
            parent_id=message.parent_id,
        )

    @classmethod
    def of_reply(cls, reply: Reply) -> MessageSchema:
        session = reply.message.session
        error_code = HIDDEN_CODE if reply.error_code and session.hides_names else reply.error_code
        return cls(
            id=reply.pk,
            role="assistant",
            content=reply.text,
            created_at=reply.created_at,
            message_id=reply.message_id,
            target=None if session.hides_names else reply.target,
            status=reply.status,
            finish_reason=reply.finish_reason or None,
            usage=shown_figures(session, reply.usage),
            timings=shown_figures(session, reply.timings),
            sampling=reply.sampling,
            error_code=error_code or None,
            error_message=shown_failure(session, reply) or None,
            answerer_id=reply.answerer_id,
            model=shown_name(session, reply.answerer),
            take=reply.take,
            is_chosen=reply.is_chosen,
            rating=reply.rating,
            corrected_text=reply.corrected_text or None,
            logprobs=reply.logprobs,
        )


def turns_in_order(messages: list[Message]) -> list[MessageSchema]:
    """Every turn of a session in reading order, each message followed by its replies."""
    turns: list[MessageSchema] = []
    for message in messages:
        turns.append(MessageSchema.of_message(message))
        turns += [MessageSchema.of_reply(reply) for reply in message.replies.all()]
    return turns


class MessageList(Schema):
    items: list[MessageSchema]
    count: int


class GenerateRequest(Schema):
    session_id: UUID
    message: str
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    stop: list[str] | str | None = None
    logprobs: int | None = None

    def sampling(self) -> dict[str, Any]:
        """What the caller gave; the rest comes from the session, then from the defaults."""
        names = SamplingParams.parameters()
        return {name: value for name in names if (value := getattr(self, name)) is not None}


class GenerateAnswer(Schema):
    """The answer of the model the session is about; with a comparison, `replies` holds the base model's too."""

    message_id: UUID
    response: str
    session_id: UUID
    finish_reason: str
    usage: dict[str, Any]
    timings: dict[str, Any]
    replies: list[MessageSchema]


class EditRequest(Schema):
    message: str
    settings: dict[str, Any] = Field(default_factory=dict, description=SAMPLING_NAMES)


class TurnSchema(Schema):
    """A message and its replies, which may not be drawn yet."""

    message: MessageSchema
    replies: list[MessageSchema]


class RegenerateRequest(Schema):
    settings: dict[str, Any] = Field(
        default_factory=dict, description=f"Other than those of the reply: {SAMPLING_NAMES}"
    )
