"""The hidden questions at this host's engine: what a tuned model and its base model lose on each.

The texts go from the course's file to the engine and nowhere else: not into a row, not into a log.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from chat.execution.adapters import local_adapter
from chat.prompt_sets.items import Item
from engine.client import Work
from engine.config import SamplingParams
from engine.protocol import GenerationSpec
from modelhub.execution import engine
from modelhub.selectors import base_model_ref
from training.models import TrainingJob

QUESTIONS_AT_ONCE = 4
"""Each is two answers to score: enough to keep the engine busy, too few to be in anybody's way."""
POLL_SECONDS = 1.0


class ScoringError(Exception):
    """The engine could not score an answer.

    Attributes:
        code, params: as engine_failure_sentence wants them.
    """

    def __init__(self, code: str, params: dict[str, Any]) -> None:
        super().__init__(code)
        self.code, self.params = code, params


@dataclass(frozen=True, slots=True)
class Losses:
    """Of one question, in nats per token."""

    tuned: float
    base: float


def score(
    job: TrainingJob, items: Sequence[Item], *, name: str, keep_alive: Callable[[], None]
) -> list[Losses]:
    """The losses on every question, in their order.

    Args:
        name: begins the names of the work at the engine; another one for each attempt.
        keep_alive: called at every event, and every second without one; what it raises ends the scoring.

    Raises:
        ScoringError: the engine could not.
        FileNotFoundError: the adapter's files are missing.
        UnavailableError: the base model is not on this host.
        EngineDiedError: no engine can be started.
    """
    path, digest = local_adapter(job.adapter)
    ref = base_model_ref(job.base_model)
    number = count(1)
    found: list[Losses] = []

    def submit(item: Item, adapter_path: str | None, adapter_digest: str) -> Work:
        spec = GenerationSpec(
            base_model=ref,
            turns=[{"role": "user", "content": item.prompt}],
            sampling=SamplingParams(temperature=0),
            adapter_path=adapter_path,
            adapter_digest=adapter_digest,
            overflow="refuse",
            owner=str(job.owner_id),
            scored_answer=item.reference,
        )
        return engine().submit_generation(spec, f"{name}-{next(number)}")

    for first in range(0, len(items), QUESTIONS_AT_ONCE):
        some = items[first : first + QUESTIONS_AT_ONCE]
        works = [(submit(item, path, digest), submit(item, None, "")) for item in some]
        try:
            found += [
                Losses(_loss(tuned, keep_alive), _loss(base, keep_alive)) for tuned, base in works
            ]
        except BaseException:
            for pair in works:
                for work in pair:
                    work.cancel()
            raise
    return found


def _loss(work: Work, keep_alive: Callable[[], None]) -> float:
    while True:
        event = work.next(timeout=POLL_SECONDS)
        keep_alive()
        if event is None:
            continue
        match event:
            case {"type": "finished", "scored_loss": float(loss)} if math.isfinite(loss):
                return loss
            case {"type": "failed"}:
                raise ScoringError(event["code"], event["params"])
            case {"type": "finished" | "cancelled"}:
                raise ScoringError("internal", {})
