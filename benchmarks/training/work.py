"""What the training benchmark and its workers say to each other, and the data that all arms share. Torch-free."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

SEED = 42
LEARNING_RATE = 1e-3
MAIN_EXAMPLES, MAIN_BATCH = 50, 4


class Cell(NamedTuple):
    """One column of the comparison."""

    corpus: str
    examples: int
    batch_size: int

    def __str__(self) -> str:
        return f"{self.corpus}/{self.examples}/{self.batch_size}"


@dataclass(frozen=True, slots=True)
class Work:
    """One timed run: the first `steps` batches of an epoch.

    Attributes:
        epoch: decides the order; every repeat takes another one, since a library that keeps what it compiled for a
            shape would find all shapes again when the same batches came twice.
        way: ablation of the engine, or mode of a peer; empty for the arm's own way.
        is_probe: whether memory that is kept for later is given back first, so that the peak is this run's own.
        is_measured: whether the held-out loss is taken afterwards, untimed.
    """

    corpus: str
    examples: int
    batch_size: int
    steps: int
    epoch: int = 0
    way: str = ""
    learning_rate: float = LEARNING_RATE
    is_probe: bool = False
    is_measured: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one timed run gave.

    Attributes:
        tokens: of the examples as the dataset has them: no padding, and a shared prefix counts for every example.
        losses: mean loss per label token of each optimizer step, before its update.
        peak_bytes: most resident memory of the process during the run.
        held_out_loss: mean over the labels of the held-out examples, when it was asked for.
    """

    seconds: float
    tokens: int
    losses: list[float] = field(default_factory=list)
    peak_bytes: int = 0
    held_out_loss: float | None = None

    @property
    def speed(self) -> float:
        """Tokens a second."""
        return self.tokens / self.seconds

    @property
    def last_loss(self) -> float:
        return self.losses[-1]


@dataclass(frozen=True, slots=True)
class Setup:
    """What a worker process is started with.

    Attributes:
        model: fields of engine.protocol.BaseModelRef.
        rows_path: JSON of the tokenised corpora; the engine's worker writes it.
        adapter_path: PEFT folder of the adapter that every arm starts from; the engine's worker writes it.
        lora: fields of LoraHyperparameters.
    """

    model: dict[str, str]
    rows_path: str
    adapter_path: str
    lora: dict[str, Any]

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One tokenised example as it lies in the rows file; has the fields of engine.data.batching.Row."""

    input_ids: list[int]
    is_label: list[bool]


@dataclass(frozen=True, slots=True)
class TokenCorpus:
    """One corpus, tokenised."""

    trained: list[TokenRow]
    held_out: list[TokenRow]

    @property
    def mean_length(self) -> float:
        return sum(len(row.input_ids) for row in self.trained) / len(self.trained)

    def longest(self, examples: int) -> int:
        """Tokens of the longest of the first examples."""
        return max(len(row.input_ids) for row in self.trained[:examples])


def write_corpora(path: str, corpora: dict[str, TokenCorpus]) -> None:
    plain = {name: asdict(corpus) for name, corpus in corpora.items()}
    Path(path).write_text(json.dumps(plain), encoding="utf-8")


def read_corpora(path: str) -> dict[str, TokenCorpus]:
    plain = json.loads(Path(path).read_text(encoding="utf-8"))
    return {
        name: TokenCorpus(
            **{part: [TokenRow(**row) for row in rows] for part, rows in parts.items()}
        )
        for name, parts in plain.items()
    }


def steps_in_epoch(examples: int, batch_size: int) -> int:
    return -(-examples // batch_size)
