"""Chats, their models and the votes in them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Field, Schema

from chat.ballots import Tally, tally_of
from chat.models import Answerer, ChatSession
from chat.naming import Face, faces_of
from chat.services.settings import SESSION_SETTINGS
from engine.config import SamplingParams
from training.models import TrainingJob

SETTINGS_NAMES = ", ".join((*SESSION_SETTINGS, *SamplingParams.parameters()))


class SessionRequest(Schema):
    """Exactly one of job_id, model_name and models."""

    name: str = ""
    job_id: str | None = Field(
        default=None, description="A completed training job: its tuned model answers"
    )
    model_name: str | None = Field(default=None, description="A base model, untouched")
    is_compared: bool = Field(default=False, description="With job_id: the base model answers too")
    models: list[str] | None = Field(
        default=None,
        description="2 to 4 models that answer side by side: base models, or job-<id> for tuned ones",
    )
    is_blind: bool = Field(
        default=False,
        description="With several models: which is which is hidden until the reveal, and their order is random",
    )
    settings: dict[str, Any] = Field(default_factory=dict, description=SETTINGS_NAMES)


class SessionChanges(Schema):
    """What is left out stays as it is."""

    name: str | None = None
    settings: dict[str, Any] | None = Field(default=None, description=SETTINGS_NAMES)


class AnswererSchema(Schema):
    """One model of a chat. While names are hidden there is only its letter, and its name is “Model A”."""

    id: UUID
    name: str
    letter: str | None = Field(description="Of a blind chat: A to D")
    kind: str | None = Field(description="tuned or base")
    job_id: UUID | None
    base_model_name: str | None

    @classmethod
    def of_answerer(cls, answerer: Answerer, face: Face) -> AnswererSchema:
        return cls(
            id=answerer.pk,
            name=face.name,
            letter=face.letter or None,
            kind=None if face.is_hidden else answerer.kind,
            job_id=None if face.is_hidden else answerer.job_id,
            base_model_name=None if face.is_hidden else answerer.base_model.name,
        )


class WinsSchema(Schema):
    answerer_id: UUID
    model: str
    wins: int


class TallySchema(Schema):
    """All votes of a chat; `blind` of them were given while the names were hidden."""

    total: int
    blind: int
    ties: int
    none_good: int
    models: list[WinsSchema]

    @classmethod
    def of_tally(cls, tally: Tally) -> TallySchema:
        return cls(
            total=tally.total,
            blind=tally.blind,
            ties=tally.ties,
            none_good=tally.none_good,
            models=[
                WinsSchema(answerer_id=row.answerer_id, model=row.face.name, wins=row.count)
                for row in tally.wins
            ],
        )


class SessionSchema(Schema):
    """A chat. While names are hidden, what would tell a model is null."""

    id: UUID
    name: str
    job_id: UUID | None
    model_name: str | None
    base_model_name: str | None = Field(
        description="The model talked to, or the one the adapter stands on"
    )
    is_compared: bool
    models: list[AnswererSchema]
    is_blind: bool
    revealed_at: datetime | None
    votes: TallySchema
    settings: dict[str, Any]
    created_at: datetime
    updated_at: datetime

    @staticmethod
    def resolve_job_id(session: ChatSession) -> UUID | None:
        return None if session.hides_names else session.main.job_id

    @staticmethod
    def resolve_model_name(session: ChatSession) -> str | None:
        is_told = session.main.kind == Answerer.Kind.BASE and not session.hides_names
        return session.main.base_model.name if is_told else None

    @staticmethod
    def resolve_base_model_name(session: ChatSession) -> str | None:
        return None if session.hides_names else session.main.base_model.name

    @staticmethod
    def resolve_models(session: ChatSession) -> list[AnswererSchema]:
        faces = faces_of(session)
        return [
            AnswererSchema.of_answerer(answerer, faces[answerer.pk])
            for answerer in session.answerers.all()
        ]

    @staticmethod
    def resolve_votes(session: ChatSession) -> TallySchema:
        return TallySchema.of_tally(tally_of(session))


class RevealRequest(Schema):
    without_vote: bool = Field(
        default=False, description="Reveal the names although there is no vote yet"
    )


class CompletedJobSchema(Schema):
    """A training job whose adapter can be talked to. A classmate shares the adapter, and not its dataset."""

    id: UUID
    name: str
    is_own: bool
    model_name: str
    dataset_id: UUID | None
    dataset_name: str | None
    loss: float | None
    completed_at: datetime | None

    @staticmethod
    def resolve_model_name(job: TrainingJob) -> str:
        return job.base_model.name

    @staticmethod
    def resolve_dataset_id(job: Any) -> UUID | None:
        return job.dataset_version.dataset_id if job.is_own else None

    @staticmethod
    def resolve_dataset_name(job: Any) -> str | None:
        return job.dataset_version.dataset.name if job.is_own else None
