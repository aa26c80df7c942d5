"""Measures one cell: which mode of each peer is its best, then all arms in turn, round after round."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from benchmarks.training.arms import ARMS, TECHNIQUES, Arm
from benchmarks.training.results import PROBE_EPOCH, WHOLE, CellResult, check_losses
from benchmarks.training.statistics import FEWEST
from benchmarks.training.work import Cell, TokenCorpus, Work, steps_in_epoch
from benchmarks.training.workers import Worker, Workers

MOST_REPEATS = 7
ABLATION_REPEATS = 3


@dataclass(slots=True)
class Measurer:
    """Runs cells on the workers and learns how fast the arms are.

    Attributes:
        corpora: the tokenised corpora.
        speeds_table: of products, for the limit.
        most_steps: cap of optimizer steps of a timed run.
        most_repeats: cap of the rounds.
        say: tells what is going on.
    """

    workers: Workers
    corpora: dict[str, TokenCorpus]
    speeds_table: list[list[Any]]
    most_steps: int
    most_repeats: int
    say: Callable[[str], None]
    _speeds: dict[str, float] = field(default_factory=dict)
    _warmed: set[tuple[str, str]] = field(default_factory=set)

    def measure(self, cell: Cell, seconds: float, *, is_main: bool) -> CellResult:
        """Measure a cell in about `seconds`.

        Raises:
            GateFailedError: an arm learned something else.
        """
        started = time.perf_counter()
        arms = [arm for arm in ARMS if is_main or not arm.is_main_only]
        for arm in arms:
            self._warm_up(arm, cell)
        steps = self._steps(cell, arms, seconds - (time.perf_counter() - started), is_main=is_main)
        result = CellResult(cell, is_main, steps)
        self._probe(result, arms)
        left = seconds - (time.perf_counter() - started)
        fewest = min(FEWEST if is_main else 1, self.most_repeats)
        for number in range(self._repeats(result, arms, left, fewest)):
            spent = time.perf_counter() - started
            if number >= fewest and spent + self._round_seconds(result, arms) > seconds:
                break
            self._round(result, arms, number)
        if is_main:
            self.rest([arm for arm in ARMS if arm.is_main_only])
            self._ablate(result)
        return result

    def _worker(self, arm: Arm) -> Worker:
        return self.workers.get(arm.kind, arm.environment, arm.use)

    def _work(self, result: CellResult, epoch: int, way: str = "") -> Work:
        cell = result.cell
        return Work(*cell, result.steps, epoch, way)

    def _warm_up(self, arm: Arm, cell: Cell) -> None:
        if (arm.name, cell.corpus) in self._warmed:
            return
        way = "padded" if arm.follows or "padded" in arm.modes else arm.modes[0]
        for _ in range(2):
            outcome = self._worker(arm).run(Work(*cell, 1, PROBE_EPOCH, way))
        self._speeds[arm.name] = outcome.speed
        self._warmed.add((arm.name, cell.corpus))

    def _steps(self, cell: Cell, arms: Iterable[Arm], seconds: float, *, is_main: bool) -> int:
        """As many as can be repeated often enough in the time."""
        each = 0.0
        for arm in arms:
            probes = len(self._modes(arm, cell, self.most_steps))
            each += (min(FEWEST, self.most_repeats) + probes) / self._speeds[arm.name]
        if is_main:
            # Some ablations take twice the time of the whole.
            runs = 1.4 * (1 + len(TECHNIQUES)) * min(ABLATION_REPEATS, self.most_repeats)
            each += runs / self._speeds["ours"]
        tokens = cell.batch_size * self.corpora[cell.corpus].mean_length
        affordable = int(seconds / (each * tokens))
        whole = steps_in_epoch(cell.examples, cell.batch_size)
        return max(1, min(affordable, whole, self.most_steps))

    def _modes(self, arm: Arm, cell: Cell, steps: int) -> list[str]:
        """Those that differ in this cell, and keep what a batch is."""
        if cell.batch_size == 1:
            return [arm.modes[0]]
        corpus = self.corpora[cell.corpus]
        steps = min(steps, steps_in_epoch(cell.examples, cell.batch_size))
        fills = corpus.longest(cell.examples) <= cell.batch_size * corpus.mean_length
        left_out = {"grouped"} if steps == 1 else set()
        # Packed rows hold as many tokens as a batch, unless one example alone needs a longer row.
        left_out |= set() if steps > 1 and fills else {"packed"}
        return [mode for mode in arm.modes if mode not in left_out]

    def _probe(self, result: CellResult, arms: Iterable[Arm]) -> None:
        for arm in arms:
            modes = (
                [result.modes[arm.follows]]
                if arm.follows
                else self._modes(arm, result.cell, result.steps)
            )
            outcomes = {}
            for mode in modes:
                work = replace(self._work(result, PROBE_EPOCH, mode), is_probe=True)
                outcomes[mode] = self._worker(arm).run(work)
                check_losses(result, f"{arm.name} {mode}", mode, outcomes[mode], PROBE_EPOCH)
            result.probes[arm.name] = outcomes
            result.modes[arm.name] = max(outcomes, key=lambda mode: outcomes[mode].speed)
            self._speeds[arm.name] = outcomes[result.modes[arm.name]].speed
            result.rounds[arm.name] = []
        best = ", ".join(f"{name} {mode}" for name, mode in result.modes.items() if mode)
        self.say(f"{result.cell}: {result.steps} steps, {best}")

    def _round_seconds(self, result: CellResult, arms: Iterable[Arm]) -> float:
        return sum(result.probes[arm.name][result.modes[arm.name]].seconds for arm in arms)

    def _repeats(self, result: CellResult, arms: Iterable[Arm], seconds: float, fewest: int) -> int:
        if result.is_main:
            ours = result.probes["ours"][result.modes["ours"]].seconds
            ablations = min(ABLATION_REPEATS, self.most_repeats)
            seconds -= 1.4 * (1 + len(TECHNIQUES)) * ablations * ours
        affordable = int(seconds / self._round_seconds(result, arms))
        return max(fewest, min(affordable, self.most_repeats))

    def _round(self, result: CellResult, arms: Iterable[Arm], epoch: int) -> None:
        for arm in arms:
            mode = result.modes[arm.name]
            outcome = self._worker(arm).run(self._work(result, epoch, mode))
            result.rounds[arm.name].append(outcome)
            check_losses(result, arm.name, mode, outcome, epoch)
        worker = self._worker(ARMS[0])
        work = asdict(self._work(result, epoch))
        result.limits.append(worker.call("limit", work=work, speeds=self.speeds_table))
        speeds = ", ".join(f"{arm.name} {result.rounds[arm.name][-1].speed:.0f}" for arm in arms)
        self.say(f"  round {epoch + 1}: {speeds}")

    def rest(self, arms: Iterable[Arm] = ARMS) -> None:
        """End the processes of some arms; when they are wanted again they start anew."""
        for arm in arms:
            self.workers.close(arm.kind, arm.environment, arm.use)
            self._warmed = {pair for pair in self._warmed if pair[0] != arm.name}

    def _ablate(self, result: CellResult) -> None:
        worker = self.workers.get("engine", "engine", "ablations")
        ways = {WHOLE: ""} | {name: name for name in TECHNIQUES}
        result.ablations = {name: [] for name in ways}
        for name, way in ways.items():
            work = Work(*result.cell, 1, PROBE_EPOCH, way, is_probe=True)
            result.ablation_probes[name] = worker.run(work)
        for epoch in range(min(ABLATION_REPEATS, self.most_repeats)):
            for name, way in ways.items():
                outcome = worker.run(self._work(result, epoch, way))
                result.ablations[name].append(outcome)
                check_losses(result, f"without {name}", way, outcome, epoch)
        self.workers.close("engine", "engine", "ablations")
        speeds = ", ".join(f"{name} {result.ablation_speed(name).median:.0f}" for name in ways)
        self.say(f"  without: {speeds}")
