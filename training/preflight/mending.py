"""Changes of settings that make a job fit into memory: only those that truly turn the verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.training.footprint import HIGH_RANK
from training.preflight.changes import changed, training_changes, with_rank
from training.preflight.forecast import Forecast, Forecaster
from training.preflight.memory import ORDER

LENGTHS = (3072, 2048, 1536, 1024, 768, 512, 384, 256, 192, 128, 96, 64)
"""What is tried as a shorter max_length, the longest first."""

LEAST_RANK = 4

MOST_CUT_ANSWERS = 0.1
"""Of the examples: a shorter length that cuts more answers teaches the wrong thing."""


@dataclass(frozen=True, slots=True)
class Mend:
    """Attributes:
    code: names its sentence.
    changes: by field.
    forecast: of the job after it.
    """

    code: str
    changes: dict[str, Any]
    forecast: Forecast


def memory_mends(forecaster: Forecaster, forecast: Forecast) -> list[Mend]:
    """One mend of each kind that betters the verdict; where none does alone, one that joins several.

    A smaller batch is none: a step is cut to the memory there is, whatever its batch size.
    """
    if forecast.verdict not in ("tight", "does_not_fit"):
        return []
    found = []
    for kind in (_recompute, _length, _optimizer, _rank):
        mend = _first_better(forecaster, forecast, kind(forecaster))
        if mend is not None:
            found.append(mend)
    if not found:
        joined = _first_better(forecaster, forecast, _several(forecaster))
        found += [joined] if joined is not None else []
    return found


Candidates = Iterator[tuple[str, dict[str, Any]]]


def _first_better(
    forecaster: Forecaster, forecast: Forecast, candidates: Candidates
) -> Mend | None:
    """The first change with the best verdict that this kind reaches."""
    draft = forecaster.draft
    best: Mend | None = None
    rank = ORDER.index(forecast.verdict)
    for code, changes in candidates:
        after = forecaster.forecast(*changed(draft.lora, draft.training, changes))
        if ORDER.index(after.verdict) >= rank or teaches_wrong(after, forecast):
            continue
        best, rank = Mend(code, changes, after), ORDER.index(after.verdict)
        if after.verdict == "fits":
            break
    return best


def teaches_wrong(after: Forecast, before: Forecast) -> bool:
    """Whether a change costs too many answers that were whole, or nearly all examples."""
    if after.fit is None or before.fit is None or not after.fit.used:
        return True
    lost = after.fit.cut_answers + after.fit.left_out
    more = lost - before.fit.cut_answers - before.fit.left_out
    return more > MOST_CUT_ANSWERS * (after.fit.used + after.fit.left_out)


def _recompute(forecaster: Forecaster) -> Candidates:
    # Auto does it by itself where memory is short.
    if forecaster.draft.training.gradient_checkpointing == "off":
        yield "gradient_checkpointing", training_changes(gradient_checkpointing="on")


def _length(forecaster: Forecaster) -> Candidates:
    for length in LENGTHS:
        if length < forecaster.draft.training.max_length:
            yield "max_length", training_changes(max_length=length)


def _optimizer(forecaster: Forecaster) -> Candidates:
    if forecaster.draft.training.optimizer != "adafactor":
        yield "optimizer", training_changes(optimizer="adafactor")


def _rank(forecaster: Forecaster) -> Candidates:
    lora = forecaster.draft.lora
    rank = lora.r // 2
    while rank >= LEAST_RANK and not lora.rank_pattern:
        yield "rank", with_rank(lora, rank)
        rank //= 2


def _several(forecaster: Forecaster) -> Candidates:
    """The fewest changes first: what is computed twice and shorter, then a small adapter as well."""
    lora = forecaster.draft.lora
    smaller = with_rank(lora, HIGH_RANK) if lora.r > HIGH_RANK and not lora.rank_pattern else None
    for more in ({}, smaller):
        if more is None:
            continue
        base = training_changes(gradient_checkpointing="on") | more
        if more:
            yield "several", base
        for _code, changes in _length(forecaster):
            yield "several", base | changes
