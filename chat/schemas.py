"""Input and output of the chat API, and the objects inside socket events. Names follow API.md."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from ninja import Field, Schema

from chat.models import Answerer, ChatSession, Message, Reply
from chat.sentences import failure_sentence
from chat.services.settings import SESSION_SETTINGS
from engine.config import SamplingParams
from training.models import TrainingJob

SETTINGS_NAMES = ", ".join((*SESSION_SETTINGS, *SamplingParams.parameters()))
SAMPLING_NAMES = ", ".join(SamplingParams.parameters())


class SessionRequest(Schema):
    """Exactly one of job_id and model_name."""

    name: str = ""
    job_id: str | None = Field(
        default=None, description="A completed training job: its tuned model answers"
    )
    model_name: str | None = Field(default=None, description="A base model, untouched")
    is_compared: bool = Field(default=False, description="With job_id: the base model answers too")
    settings: dict[str, Any] = Field(default_factory=dict, description=SETTINGS_NAMES)


class SessionChanges(Schema):
    """What is left out stays as it is."""

    name: str | None = None
    settings: dict[str, Any] | None = Field(default=None, description=SETTINGS_NAMES)


class SessionSchema(Schema):
    id: UUID
    name: str
    job_id: UUID | None
    model_name: str | None
    base_model_name: str = Field(
        description="The model talked to, or the one the adapter stands on"
    )
    is_compared: bool
    settings: dict[str, Any]
    created_at: datetime
    updated_at: datetime

    @staticmethod
    def resolve_job_id(session: ChatSession) -> UUID | None:
        return session.main.job_id

    @staticmethod
    def resolve_model_name(session: ChatSession) -> str | None:
        is_base = session.main.kind == Answerer.Kind.BASE
        return session.main.base_model.name if is_base else None

    @staticmethod
    def resolve_base_model_name(session: ChatSession) -> str:
        return session.main.base_model.name


class MessageSchema(Schema):
    """One turn: the person's, or one model's. A reply names the message it answers."""

    id: UUID
    role: Literal["user", "assistant"]
    content: str
    created_at: datetime
    message_id: UUID | None = Field(default=None, description="Of a reply: the message it answers")
    target: str | None = Field(default=None, description="Of a reply: tuned or base")
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
        return cls(
            id=reply.pk,
            role="assistant",
            content=reply.text,
            created_at=reply.created_at,
            message_id=reply.message_id,
            target=reply.target,
            status=reply.status,
            finish_reason=reply.finish_reason or None,
            usage=reply.usage,
            timings=reply.timings,
            sampling=reply.sampling,
            error_code=reply.error_code or None,
            error_message=failure_sentence(reply) or None,
            answerer_id=reply.answerer_id,
            model=reply.answerer.label,
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


class RatingRequest(Schema):
    rating: int | None = Field(description="1 for good, -1 for bad, null to take it back")


class NewDataset(Schema):
    name: str
    type: str = Field(default="instruction", description="instruction or chat")


class CorrectionRequest(Schema):
    """At most one of dataset_id and new_dataset."""

    corrected_text: str = Field(description="Empty takes an earlier one back")
    dataset_id: UUID | None = Field(default=None, description="A dataset of the caller's")
    new_dataset: NewDataset | None = None


class CorrectionAnswer(Schema):
    """The reply, and the version that got the example, if one was asked for."""

    reply: MessageSchema
    dataset_id: UUID | None
    version: int | None


class GenerateAnswer(Schema):
    """The answer of the model the session is about; with a comparison, `replies` holds the base model's too."""

    message_id: UUID
    response: str
    session_id: UUID
    finish_reason: str
    usage: dict[str, Any]
    timings: dict[str, Any]
    replies: list[MessageSchema]


class CompletedJobSchema(Schema):
    """A training job whose adapter can be talked to."""

    id: UUID
    name: str
    model_name: str
    dataset_id: UUID
    dataset_name: str
    loss: float | None
    completed_at: datetime | None

    @staticmethod
    def resolve_model_name(job: TrainingJob) -> str:
        return job.base_model.name

    @staticmethod
    def resolve_dataset_id(job: TrainingJob) -> UUID:
        return job.dataset_version.dataset_id

    @staticmethod
    def resolve_dataset_name(job: TrainingJob) -> str:
        return job.dataset_version.dataset.name
