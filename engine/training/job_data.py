"""The examples of a job: what it learns from, what it only measures on, and what became of those that were too long."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from engine.config import TrainingHyperparameters
from engine.data.batching import Row
from engine.data.dataset import TokenizedFile, as_rows, split, tokenize_file
from engine.data.records import DatasetType
from engine.errors import DatasetError
from engine.models.loading import ResidentModel
from engine.protocol import TrainingSpec


@dataclass(frozen=True, slots=True)
class JobData:
    """Tokenised examples of a job.

    Attributes:
        train: learned from.
        held_out: only measured; empty when nothing is.
        truncated_count, cut_answer_count, dropped_count: of both parts, see TokenizedFile.
    """

    train: list[Row]
    held_out: list[Row]
    truncated_count: int
    cut_answer_count: int
    dropped_count: int

    @property
    def token_count(self) -> int:
        """Tokens of one epoch."""
        return sum(len(row.input_ids) for row in self.train)

    @property
    def label_token_count(self) -> int:
        """Learned tokens of one epoch."""
        return sum(row.label_count for row in self.train)

    @property
    def longest(self) -> int:
        """Tokens of the longest example."""
        return max(len(row.input_ids) for row in (*self.train, *self.held_out))


def load_data(spec: TrainingSpec, resident: ResidentModel) -> Generator[None, None, JobData]:
    """Tokenise a job's files, or take them from the model's cache; yields between slices.

    Raises:
        DatasetError: a file is unreadable, or nothing is left of it.
    """
    training = spec.training
    learned = yield from _tokenized(
        spec.dataset_path, spec.dataset_digest, spec.dataset_type, resident, training
    )
    if not spec.eval_dataset_path:
        train, held_out = split(learned.rows, training)
        return _job_data(train, held_out, learned)
    try:
        measured = yield from _tokenized(
            spec.eval_dataset_path,
            spec.eval_dataset_digest,
            spec.eval_dataset_type,
            resident,
            training,
        )
    except DatasetError as failure:
        raise DatasetError(
            str(failure), **failure.params | {"reason": f"eval_{failure.params['reason']}"}
        ) from failure
    return _job_data(as_rows(learned.rows), as_rows(measured.rows), learned, measured)


def _tokenized(
    path: str,
    digest: str,
    dataset_type: DatasetType,
    resident: ResidentModel,
    training: TrainingHyperparameters,
) -> Generator[None, None, TokenizedFile]:
    key = (digest, dataset_type, training.max_length, training.overlong)
    cache = resident.token_cache
    found: TokenizedFile | None = cache.get(key) if digest else None
    if found is not None:
        return found
    for part in tokenize_file(path, dataset_type, resident.chat_format, training):
        found = part
        yield
    assert found is not None
    if digest:
        cache.put(key, found, found.token_count)
    return found


def _job_data(train: list[Row], held_out: list[Row], *files: TokenizedFile) -> JobData:
    return JobData(
        train,
        held_out,
        sum(file.truncated_count for file in files),
        sum(file.cut_answer_count for file in files),
        sum(file.dropped_count for file in files),
    )
