"""What the chat benchmark and its processes say to each other. Torch-free."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.training.statistics import Estimate, estimate

STUDENTS = 30
PROMPT_TOKENS = 60
ANSWER_TOKENS = 64
COMPARED_TOKENS = 32
"""Of each answer, the same in the engine and in PEFT."""

USERS = (1, 4, 8, 16, 30)
SYSTEM = "You answer in one paragraph."


@dataclass(frozen=True, slots=True)
class Setup:
    """What every process of a run reads.

    Attributes:
        model: fields of a BaseModelRef.
        adapters: folder with one of PEFT's folders and one GGUF file for each student.
        base_gguf: folder of the base model in llama.cpp's precisions.
    """

    model: dict[str, str]
    adapters: str
    base_gguf: str

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    def adapter(self, student: int) -> Path:
        return Path(self.adapters) / f"student-{student:02d}"

    def adapter_gguf(self, student: int) -> Path:
        return Path(self.adapters) / f"student-{student:02d}.gguf"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A student's question, and the tokens of the whole prompt around it."""

    text: str
    token_ids: list[int]

    @property
    def turns(self) -> list[dict[str, str]]:
        return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": self.text}]


@dataclass(frozen=True, slots=True)
class Run:
    """One timed run of some students who all ask at once.

    Attributes:
        times: of each student, when each piece of the answer came, in seconds after all asked.
        tokens: of each answer.
        texts: the answers.
        memory_bytes: of the process: its peak, or for llama.cpp what it holds at the end.
    """

    times: list[list[float]]
    tokens: list[int]
    texts: list[str]
    memory_bytes: int

    def of_first(self, count: int) -> Run:
        """The same run as the first students alone would have seen it, where one is served after another."""
        return Run(self.times[:count], self.tokens[:count], self.texts[:count], self.memory_bytes)

    @property
    def seconds(self) -> float:
        return max(times[-1] for times in self.times)

    @property
    def tokens_per_second(self) -> float:
        return sum(self.tokens) / self.seconds

    @property
    def first_token_seconds(self) -> list[float]:
        return [times[0] for times in self.times]

    @property
    def gap_seconds(self) -> list[float]:
        """Between two pieces of one answer."""
        return [
            later - earlier
            for times in self.times
            for earlier, later in zip(times, times[1:], strict=False)
        ]


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    index = max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1)
    return ordered[min(index, len(ordered) - 1)]


@dataclass(frozen=True, slots=True)
class Figures:
    """What is told of one arm with some students, over all rounds."""

    tokens_per_second: Estimate
    first_token_p50: float
    first_token_p95: float
    gap_p95: float
    memory_bytes: int

    @classmethod
    def of(cls, runs: list[Run]) -> Figures:
        def middle(values: list[float]) -> float:
            return estimate(values).median

        return cls(
            estimate([run.tokens_per_second for run in runs]),
            middle([percentile(run.first_token_seconds, 0.5) for run in runs]),
            middle([percentile(run.first_token_seconds, 0.95) for run in runs]),
            middle([percentile(run.gap_seconds, 0.95) for run in runs]),
            max(run.memory_bytes for run in runs),
        )


def read_run(values: dict[str, Any]) -> Run:
    return Run(**values)
