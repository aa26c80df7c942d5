"""What the dataset calls of the API take and answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Field, Schema

from datasets_app.models import Dataset
from datasets_app.sentences import issue_sentence
from engine.data.records import DatasetType


class DatasetIn(Schema):
    """A new dataset and its records."""

    model_config = {"extra": "forbid"}

    name: str = Field(description="At most 120 characters")
    description: str = ""
    type: DatasetType | None = Field(
        None, description="Found in the first record when it is not given"
    )
    data: list[Any] = Field(
        description="Records: {instruction, output, input?, system?}, {messages}, {prompt, completion} or {text}"
    )


class IssueSchema(Schema):
    """Something odd that is no reason to refuse the data."""

    severity: str = Field(description="info or warning")
    code: str
    count: int
    lines: list[int] = Field(description="The first lines that have it")
    params: dict[str, Any]
    message: str


class TokenStatsSchema(Schema):
    """Tokens of the examples' texts for the default base model."""

    total: int
    minimum: int
    mean: float
    maximum: int
    counted: int = Field(description="Examples that were counted; below size, total is an estimate")


class DatasetSchema(Schema):
    id: UUID
    name: str
    description: str
    type: Dataset.Type
    size: int = Field(description="Number of examples")
    created_at: datetime
    updated_at: datetime
    version: int
    digest: str = Field(description="sha256 of the stored JSON lines")
    token_stats: TokenStatsSchema | None
    issues: list[IssueSchema]

    @staticmethod
    def resolve_size(dataset: Dataset) -> int:
        return dataset.latest.example_count

    @staticmethod
    def resolve_version(dataset: Dataset) -> int:
        return dataset.latest.number

    @staticmethod
    def resolve_digest(dataset: Dataset) -> str:
        return dataset.latest.digest

    @staticmethod
    def resolve_token_stats(dataset: Dataset) -> dict[str, Any] | None:
        return dataset.latest.token_stats or None

    @staticmethod
    def resolve_issues(dataset: Dataset) -> list[dict[str, Any]]:
        return [issue | {"message": issue_sentence(issue)} for issue in dataset.latest.issues]


class RecordList(Schema):
    items: list[dict[str, Any]]
    count: int
