"""Settings with which a job is done within some minutes, and what is given up for it.

What costs the least learning goes first, each only as far as it has to: epochs down to a number of steps that still
learns, then measuring on the way, then the length of examples, then layers, then rank.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from engine.config import MODULE_SETS
from training.preflight.changes import changed, lora_changes, training_changes, with_rank
from training.preflight.forecast import Forecast, Forecaster
from training.preflight.mending import LEAST_RANK, LENGTHS, teaches_wrong
from training.preflight.warnings import ENOUGH_STEPS


@dataclass(frozen=True, slots=True)
class GivenUp:
    """What is lost by one change; code and params make the sentence."""

    code: str
    params: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Proposal:
    """Attributes:
    changes: by field; empty where nothing has to change.
    forecast: of the job after them; where it is impossible, of the quickest one that still learns.
    is_possible: whether it is done in time.
    """

    changes: dict[str, Any]
    given_up: tuple[GivenUp, ...]
    forecast: Forecast
    is_possible: bool


@dataclass(slots=True)
class _Search:
    """The settings so far on the way to a quicker job."""

    forecaster: Forecaster
    forecast: Forecast
    changes: dict[str, Any] = field(default_factory=dict)
    given_up: list[GivenUp] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return self.forecast.duration_seconds or 0.0

    @property
    def lora(self) -> Any:
        return self._settings({})[0]

    @property
    def training(self) -> Any:
        return self._settings({})[1]

    def try_out(self, more: dict[str, Any]) -> Forecast:
        return self.forecaster.forecast(*self._settings(more))

    def _settings(self, more: dict[str, Any]) -> Any:
        draft = self.forecaster.draft
        return changed(draft.lora, draft.training, self.changes | more)


Candidate = tuple[dict[str, Any], GivenUp]


def fit_into(forecaster: Forecaster, limit_seconds: float) -> Proposal | None:
    """The least changes that get the job done in time; None where no time can be told at all."""
    forecast = forecaster.forecast()
    if forecast.duration_seconds is None:
        return None
    search = _Search(forecaster, forecast)
    ways: tuple[Callable[[_Search], Iterator[Candidate]], ...] = (
        _fewer_epochs,
        _fewer_measurements,
        _shorter,
        _fewer_layers,
        _lower_rank,
    )
    for way in ways:
        if search.seconds <= limit_seconds:
            break
        _go(search, way(search), limit_seconds)
    return Proposal(
        search.changes,
        tuple(search.given_up),
        search.forecast,
        is_possible=search.seconds <= limit_seconds,
    )


def _go(search: _Search, candidates: Iterator[Candidate], limit_seconds: float) -> None:
    """Take the first change that is quick enough, else the quickest, if any is quicker at all."""
    best: tuple[Candidate, Forecast] | None = None
    for candidate in candidates:
        after = search.try_out(candidate[0])
        seconds = after.duration_seconds
        if seconds is None or seconds >= (best[1].duration_seconds if best else search.seconds):  # type: ignore[operator]
            continue
        best = candidate, after
        if seconds <= limit_seconds:
            break
    if best is not None:
        (changes, given_up), search.forecast = best
        search.changes |= changes
        search.given_up.append(given_up)


def _fewer_epochs(search: _Search) -> Iterator[Candidate]:
    epochs = search.training.num_epochs
    steps = search.forecast.plan.steps_per_epoch
    least = max(1, -(-ENOUGH_STEPS // steps))
    for fewer in range(epochs - 1, least - 1, -1):
        yield (
            training_changes(num_epochs=fewer),
            GivenUp("epochs", {"before": epochs, "after": fewer, "steps": steps * fewer}),
        )


def _fewer_measurements(search: _Search) -> Iterator[Candidate]:
    plan = search.forecast.plan
    if plan.eval_example_count or search.forecaster.draft.prompt_count:
        yield training_changes(eval_steps=plan.total_steps), GivenUp("measurements", {})


def _shorter(search: _Search) -> Iterator[Candidate]:
    for length in LENGTHS:
        if length >= search.training.max_length:
            continue
        changes = training_changes(max_length=length)
        after = search.try_out(changes)
        if after.fit is None or teaches_wrong(after, search.forecast):
            return
        cut = after.fit.shortened + after.fit.cut_answers + after.fit.left_out
        yield changes, GivenUp("length", {"after": length, "cut": cut})


def _fewer_layers(search: _Search) -> Iterator[Candidate]:
    attention = MODULE_SETS["attention"]
    if set(attention) < set(search.lora.target_modules):
        yield lora_changes(target_modules=list(attention)), GivenUp("layers", {})


def _lower_rank(search: _Search) -> Iterator[Candidate]:
    lora = search.lora
    rank = lora.r // 2
    while rank >= LEAST_RANK and not lora.rank_pattern:
        yield with_rank(lora, rank), GivenUp("rank", {"before": lora.r, "after": rank})
        rank //= 2
