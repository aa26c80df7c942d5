"""What was measured in one cell, and what is read from it."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.training.arms import OTHER_BATCHES
from benchmarks.training.statistics import Estimate, estimate
from benchmarks.training.work import Cell, Outcome

PROBE_EPOCH = 1000
"""The order of the runs that only find out which mode is the fastest."""

LOSS_TOLERANCE = 0.005
WHOLE = "whole"


class GateFailedError(Exception):
    """Two arms do not learn the same, so their times can not be compared."""


@dataclass(slots=True)
class CellResult:
    """Everything measured in one cell.

    Attributes:
        rounds: outcomes of each arm; the same index is the same batches, measured one after another.
        limits: of each round, what the engine's limit gave.
        ablation_probes: of one step.
        loss_difference: the largest from ours of a last loss after the same batches, relative.
    """

    cell: Cell
    is_main: bool
    steps: int
    modes: dict[str, str] = field(default_factory=dict)
    probes: dict[str, dict[str, Outcome]] = field(default_factory=dict)
    rounds: dict[str, list[Outcome]] = field(default_factory=dict)
    limits: list[dict[str, float]] = field(default_factory=list)
    ablations: dict[str, list[Outcome]] = field(default_factory=dict)
    ablation_probes: dict[str, Outcome] = field(default_factory=dict)
    loss_difference: float = 0.0

    def speed(self, arm: str) -> Estimate:
        return estimate([outcome.speed for outcome in self.rounds[arm]])

    def ratio(self, arm: str, other: str) -> Estimate:
        """How many times as fast as another arm, from the pairs of each round."""
        pairs = zip(self.rounds[arm], self.rounds[other], strict=True)
        return estimate([one.speed / two.speed for one, two in pairs])

    def limit_share(self, arm: str) -> Estimate:
        """Part of the measured time that the necessary products alone would take."""
        pairs = zip(self.rounds[arm], self.limits, strict=True)
        return estimate([limit["seconds"] / outcome.seconds for outcome, limit in pairs])

    def peak_bytes(self, arm: str) -> int:
        return self.probes[arm][self.modes[arm]].peak_bytes

    def last_loss(self, arm: str) -> float:
        return self.rounds[arm][0].last_loss

    def ablation_speed(self, name: str) -> Estimate:
        return estimate([outcome.speed for outcome in self.ablations[name]])

    def gain(self, name: str) -> Estimate:
        """How many times as fast the whole is as without this technique."""
        pairs = zip(self.ablations[WHOLE], self.ablations[name], strict=True)
        return estimate([whole.speed / without.speed for whole, without in pairs])


def check_losses(result: CellResult, name: str, mode: str, outcome: Outcome, epoch: int) -> None:
    """Hold an outcome against ours on the same batches.

    Raises:
        GateFailedError: they differ by more than LOSS_TOLERANCE, or are about other tokens.
    """
    if epoch == PROBE_EPOCH:
        ours = next(iter(result.probes.get("ours", {}).values()), None)
    else:
        ours = result.rounds["ours"][epoch] if epoch < len(result.rounds["ours"]) else None
    if ours is None:
        return
    if outcome.tokens != ours.tokens:
        raise GateFailedError(f"{result.cell}: {name} saw {outcome.tokens} tokens, {ours.tokens}")
    if mode in OTHER_BATCHES:
        return
    difference = abs(outcome.last_loss / ours.last_loss - 1)
    result.loss_difference = max(result.loss_difference, difference)
    if not difference <= LOSS_TOLERANCE:
        raise GateFailedError(
            f"{result.cell}: the last loss of {name} is {outcome.last_loss:.5f}, ours {ours.last_loss:.5f}"
        )
