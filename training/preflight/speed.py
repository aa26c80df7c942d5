"""From a worker's measurements to what a pass costs: a sum of what it costs by itself, by token, by pair of tokens
in attention and by learned position. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

USUAL_RECOMPUTE_FACTOR = 1.4
"""Where it was not measured: docs/experiments.md, 2026-11-25, kept activations 1.39 and 1.40."""

LEAST_SHARE = 0.3
"""Noise of the measurement can not make a part of a pass smaller than this share of it."""


@dataclass(frozen=True, slots=True)
class Passes:
    """A sum of forward and backward passes.

    Attributes:
        count: how many passes.
        tokens: computed in all of them.
        pairs: sum of the squares of the examples' widths.
        labels: learned or measured positions.
    """

    count: float
    tokens: float
    pairs: float
    labels: float

    def times(self, factor: float) -> Passes:
        return Passes(
            self.count * factor, self.tokens * factor, self.pairs * factor, self.labels * factor
        )


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds of each part of the work on one device with one base model.

    Attributes:
        measured_parameters: of the adapter that token_seconds and update_seconds were measured with.
        rank_seconds: more for each token and each parameter beyond those.
        recompute_factor: of a pass that computes its blocks twice.
        evaluation_factor: a forward pass alone, of a whole one.
        update_seconds: of the optimizer; update_parameter_seconds more for each parameter.
        prefill_seconds, answer_token_seconds: of a sample answer; None where its length told nothing.
        adapter_seconds: of making a fresh adapter.
        prepared_token_seconds: of turning text into a token.
    """

    pass_seconds: float
    token_seconds: float
    pair_seconds: float
    label_seconds: float
    measured_parameters: int
    rank_seconds: float
    recompute_factor: float
    evaluation_factor: float
    update_seconds: float
    update_parameter_seconds: float
    prefill_seconds: float
    answer_token_seconds: float | None
    adapter_seconds: float
    prepared_token_seconds: float

    @classmethod
    def from_calibration(cls, calibration: Mapping[str, Any]) -> Self:
        """Read what engine.training.calibration measured."""
        cells = _quickest(calibration["steps"])
        label_seconds = calibration["head"]["seconds"] / calibration["head"]["labels"]
        usual, *_ = cells
        plain = [cell for cell in cells if _is_like(cell, usual)]
        pass_seconds, token_seconds, pair_seconds = _fit(plain, label_seconds)
        parameters = usual["parameters"]
        update = statistics.median(cell["update_seconds"] for cell in plain)

        def reckoned(cell: Mapping[str, Any]) -> float:
            tokens = cell["width"] * cell["count"]
            return float(
                pass_seconds + token_seconds * tokens + pair_seconds * tokens * cell["width"]
            )

        def without_head(cell: Mapping[str, Any]) -> float:
            return _without_head(cell, label_seconds)

        twice = next((cell for cell in cells if cell["recompute"]), None)
        high = next((cell for cell in cells if cell["parameters"] > parameters), None)
        rank_seconds, update_slope = 0.0, update / parameters
        if high is not None:
            more = high["parameters"] - parameters
            tokens = high["width"] * high["count"]
            rank_seconds = max(0.0, without_head(high) - reckoned(high)) / (tokens * more)
            update_slope = max(0.0, high["update_seconds"] - update) / more
        measured = calibration["evaluation"]
        same = next(cell for cell in plain if cell["count"] == measured["count"])
        answer, prepared = calibration["answer"], calibration["preparation"]
        return cls(
            pass_seconds=pass_seconds,
            token_seconds=token_seconds,
            pair_seconds=pair_seconds,
            label_seconds=label_seconds,
            measured_parameters=parameters,
            rank_seconds=rank_seconds,
            recompute_factor=USUAL_RECOMPUTE_FACTOR
            if twice is None
            else min(2.0, max(1.0, without_head(twice) / reckoned(twice))),
            evaluation_factor=min(1.0, max(0.1, measured["seconds"] / same["seconds"])),
            update_seconds=update,
            update_parameter_seconds=update_slope,
            prefill_seconds=answer["prefill_seconds"],
            answer_token_seconds=answer["decode_seconds"] / answer["tokens"]
            if answer["tokens"]
            else None,
            adapter_seconds=prepared["adapter_seconds"],
            prepared_token_seconds=prepared["seconds"] / prepared["tokens"],
        )

    def training(self, passes: Passes, parameters: int, *, recompute: bool) -> float:
        """Seconds of forward and backward passes with an adapter of so many parameters."""
        each_token = self.token_seconds + self.rank_seconds * (
            parameters - self.measured_parameters
        )
        blocks = (
            passes.count * self.pass_seconds
            + passes.tokens * max(each_token, self.token_seconds / 2)
            + passes.pairs * self.pair_seconds
        )
        factor = self.recompute_factor if recompute else 1.0
        return blocks * factor + passes.labels * self.label_seconds

    def evaluating(self, passes: Passes, parameters: int) -> float:
        """Seconds of forward passes."""
        return self.evaluation_factor * self.training(passes, parameters, recompute=False)

    def update(self, parameters: int) -> float:
        """Seconds of one step of the optimizer."""
        more = self.update_parameter_seconds * (parameters - self.measured_parameters)
        return max(0.0, self.update_seconds + more)


def _quickest(cells: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of each kind of step the quickest: what made another one slower was something else."""
    found: dict[Any, Mapping[str, Any]] = {}
    for cell in cells:
        kind = cell["width"], cell["count"], cell["parameters"], cell["recompute"]
        if kind not in found or cell["seconds"] < found[kind]["seconds"]:
            found[kind] = cell
    return list(found.values())


def _is_like(cell: Mapping[str, Any], usual: Mapping[str, Any]) -> bool:
    return not cell["recompute"] and cell["parameters"] == usual["parameters"]


def _without_head(cell: Mapping[str, Any], label_seconds: float) -> float:
    seconds = float(cell["seconds"])
    return max(LEAST_SHARE * seconds, seconds - cell["labels"] * label_seconds)


def _fit(cells: Sequence[Mapping[str, Any]], label_seconds: float) -> tuple[float, float, float]:
    """Seconds of a pass by itself, of a token and of a pair, from one short example, many of them, and one long one."""
    one, many = cells[0], cells[1]
    width, count = one["width"], many["count"]
    first, second = (_without_head(cell, label_seconds) for cell in (one, many))
    each = (second - first) / (count - 1)
    alone = first - each
    if each <= 0 or alone < 0:
        each, alone = second / count, 0.0
    pair_seconds = 0.0
    wide = next((cell for cell in cells[2:] if cell["width"] > width), None)
    if wide is not None:
        examples = wide["width"] / width
        more = _without_head(wide, label_seconds) - alone - examples * each
        pairs = wide["width"] ** 2 - examples * width**2
        pair_seconds = min(max(0.0, more) / pairs, each / width**2 / 2)
    token_seconds = (each - pair_seconds * width**2) / width
    if not math.isfinite(token_seconds):
        raise ValueError("the measurement holds no times")
    return alone, token_seconds, pair_seconds
