"""What the dataset calls of the API take and answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Field, Schema

from datasets_app.models import Contribution, Dataset, DatasetImport, DatasetVersion
from datasets_app.versions.changes import change_sentence
from datasets_app.wording.sentences import import_error_sentence, issue_sentence
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
    """Something that was found in the data."""

    severity: str = Field(description="error (the rows were left out), warning or info")
    code: str
    count: int
    lines: list[int] = Field(description="The first lines that have it")
    params: dict[str, Any]
    excerpt: str = Field("", description="A piece of the first text that has it")
    message: str = Field(description="What it is and what to do, in the caller's language")


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


class ImportSchema(Schema):
    """A file on its way to a dataset."""

    id: UUID
    name: str
    state: DatasetImport.State
    size_bytes: int
    done_bytes: int
    done_rows: int
    dataset_id: UUID | None = Field(description="The dataset, once the state is done")
    error_message: str
    issues: list[IssueSchema] = Field(description="What was found, when the state is open")
    created_at: datetime

    @staticmethod
    def resolve_dataset_id(order: DatasetImport) -> UUID | None:
        return order.result_id

    @staticmethod
    def resolve_error_message(order: DatasetImport) -> str:
        return import_error_sentence(order.error) if order.error else ""

    @staticmethod
    def resolve_issues(order: DatasetImport) -> list[dict[str, Any]]:
        found = order.report.get("findings", [])
        return [issue | {"message": issue_sentence(issue)} for issue in found]


class RecordList(Schema):
    items: list[dict[str, Any]]
    count: int


class VersionSchema(Schema):
    """One version of a dataset."""

    number: int
    size: int = Field(description="Number of examples")
    size_bytes: int
    digest: str = Field(description="sha256 of the stored JSON lines")
    rejected_count: int = Field(description="Rows of the file that were left out")
    change: str = Field(description="How it came to be, in the caller's language")
    issues: list[IssueSchema]
    created_at: datetime

    @staticmethod
    def resolve_size(version: DatasetVersion) -> int:
        return version.example_count

    @staticmethod
    def resolve_change(version: DatasetVersion) -> str:
        return change_sentence(version)

    @staticmethod
    def resolve_issues(version: DatasetVersion) -> list[dict[str, Any]]:
        return [issue | {"message": issue_sentence(issue)} for issue in version.issues]


class RecordIn(Schema):
    """One example, and the version that its sender saw."""

    model_config = {"extra": "forbid"}

    record: dict[str, Any]
    base_number: int = Field(description="Number of the newest version; 409 when it is another")


class SplitIn(Schema):
    """How a dataset is split."""

    model_config = {"extra": "forbid"}

    evaluation_count: int = Field(description="Examples of the evaluation set", ge=1)
    seed: int = 0
    training_name: str = ""
    evaluation_name: str = ""


class SplitSchema(Schema):
    training: DatasetSchema
    evaluation: DatasetSchema


class DifferenceSchema(Schema):
    """One row that differs; a side without it is null. Rows are numbered from 1."""

    kind: str = Field(description="added, removed or changed")
    old: int | None
    new: int | None

    @staticmethod
    def resolve_old(difference: Any) -> int | None:
        return None if difference.old is None else difference.old + 1

    @staticmethod
    def resolve_new(difference: Any) -> int | None:
        return None if difference.new is None else difference.new + 1


class ComparisonSchema(Schema):
    """What changed from one version to another."""

    added: int
    removed: int
    changed: int
    unchanged: int
    is_ordered: bool = Field(
        description="False for large sets, whose rows are matched by content alone"
    )
    differences: list[DifferenceSchema]


class LeakSchema(Schema):
    """One example of the evaluation set whose question is in the training set."""

    number: int
    training_number: int
    share: float = Field(description="Of the question's runs of eight words that were found")
    is_same_question: bool


class OverlapSchema(Schema):
    evaluation_count: int
    training_count: int
    is_whole: bool = Field(description="False when the sets are too large to be compared whole")
    leak_count: int
    leaks: list[LeakSchema]
    shared_answer_count: int = Field(
        description="Examples that are no leak, but whose answer stands in the training set as well"
    )


class MappingIn(Schema):
    """Which column is what."""

    model_config = {"extra": "forbid"}

    shape: str = Field(description="instruction, chat, completion or text")
    columns: dict[str, str] = Field(
        description="Part to column: instruction, input?, output, system?, history?; messages, system?; "
        "prompt, completion; text"
    )


class DecisionIn(Schema):
    """What becomes of an import."""

    model_config = {"extra": "forbid"}

    mapping: MappingIn | None = None
    skip_rejected: bool = Field(False, description="Leave the rows with faults out")


class HubIn(Schema):
    """A dataset of the Hub that instructors allow."""

    model_config = {"extra": "forbid"}

    repository: str = Field(description="owner/name")
    split: str = "train"
    configuration: str = ""
    columns: list[str] = []
    max_rows: int = Field(1000, ge=1, le=100_000)
    name: str = ""
    description: str = ""
    type: DatasetType | None = None


class SharingSchema(Schema):
    """Who may see a dataset besides its owner."""

    visibility: Dataset.Visibility
    cohort_id: UUID | None = None
    course: str = ""


class SpaceSchema(Schema):
    """Bytes that your datasets take, and may take."""

    used: int
    limit: int


class ClassDatasetIn(Schema):
    """A dataset to which the members of a cohort add rows."""

    model_config = {"extra": "forbid"}

    name: str
    description: str = ""
    cohort_id: UUID
    type: DatasetType = "instruction"
    data: list[dict[str, Any]] = Field(description="At least one record to begin with")


class RowIn(Schema):
    """A row for a class dataset."""

    model_config = {"extra": "forbid"}

    question: str = Field(description="The question, or the beginning of a completion")
    answer: str


class RowSchema(Schema):
    id: UUID
    author: str
    record: dict[str, Any]
    state: Contribution.State
    reason: str
    is_saved: bool = Field(description="Whether a version holds it")
    created_at: datetime

    @staticmethod
    def resolve_author(row: Contribution) -> str:
        return str(row.author)

    @staticmethod
    def resolve_is_saved(row: Contribution) -> bool:
        return row.version_id is not None


class ReviewIn(Schema):
    """Rows to accept, or to reject with a reason."""

    model_config = {"extra": "forbid"}

    row_ids: list[UUID]
    accept: bool
    reason: str = ""


class TokenSchema(Schema):
    text: str
    count: int = Field(
        description="Tokens that make this text; more than one in a character of several"
    )


class SpanSchema(Schema):
    """Tokens of one kind that follow each other."""

    text: str
    is_special: bool
    is_trained: bool
    is_cut: bool
    token_count: int
    tokens: list[TokenSchema]


class ModelExampleSchema(Schema):
    number: int
    spans: list[SpanSchema]
    token_count: int
    trained_count: int
    cut_count: int
    is_answer_cut: bool
    is_left_out: bool
    refusal: str


class LengthCountsSchema(Schema):
    """What becomes of the examples at this length."""

    fitting: int
    shortened: int
    answer_cut: int
    left_out: int
    refused: int


class PreviewSchema(Schema):
    base_model: str
    max_length: int
    overlong: str
    counts: LengthCountsSchema
    examples: list[ModelExampleSchema]
