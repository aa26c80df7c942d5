"""What the model calls of the API answer."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from ninja import Field, Schema

from modelhub.models import BaseModel, ModelPull
from modelhub.ollama.health import State
from modelhub.pulling_sentences import pull_sentence
from modelhub.selectors import is_talkable
from modelhub.trouble import trouble_sentence


class BaseModelSchema(Schema):
    name: str
    source: BaseModel.Source
    size: int = Field(description="Bytes of the weights", alias="size_bytes")
    digest: str
    modified_at: datetime
    parameters: int = Field(description="Number of weights", alias="parameter_count")
    license: str
    gated: bool = Field(description="Whether its owner asks for an agreement before the download")
    ready: bool = Field(description="Whether it can be talked to now")
    trainable: bool = Field(description="Whether it can be tuned here")
    languages: list[str]
    trouble: str = Field(
        description="Why the server that answers for it will hardly do so now, in the caller's language; "
        "empty where all is well"
    )

    @staticmethod
    def resolve_trouble(base_model: BaseModel) -> str:
        return trouble_sentence(base_model)

    @staticmethod
    def resolve_gated(base_model: BaseModel) -> bool:
        # A model is listed only after its weights are here, so nobody has to agree to anything any more.
        return False

    @staticmethod
    def resolve_ready(base_model: BaseModel) -> bool:
        return is_talkable(base_model)

    @staticmethod
    def resolve_trainable(base_model: BaseModel) -> bool:
        return base_model.source not in BaseModel.REMOTE and bool(base_model.module_shapes)


class ModelList(Schema):
    models: list[BaseModelSchema]


class ModelCheck(Schema):
    model_name: str
    exists: bool


class OllamaHealthSchema(Schema):
    status: State
    url: str | None = None
    version: str | None = None


class PullSchema(Schema):
    id: UUID
    name: str
    status: ModelPull.Status
    message: str = Field(description="What it does or how it ended, in the caller's language")
    total_bytes: int = Field(description="Of what it has begun to fetch; grows on the way")
    completed_bytes: int
    error_code: str
    created_at: datetime
    completed_at: datetime | None

    @staticmethod
    def resolve_message(pull: ModelPull) -> str:
        return pull_sentence(pull)
