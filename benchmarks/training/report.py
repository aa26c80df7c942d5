"""The training benchmark's tables: a short one for the README, and everything behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.training.arms import ARMS, TECHNIQUES
from benchmarks.training.jobs import JobsResult
from benchmarks.training.limit import ROWS, SHAPES
from benchmarks.training.results import WHOLE, CellResult

GIB = 2**30


@dataclass(frozen=True, slots=True)
class Gate:
    """Something that must hold."""

    name: str
    value: float
    limit: float

    @property
    def is_passed(self) -> bool:
        # So that NaN fails.
        return self.value <= self.limit


@dataclass(slots=True)
class Report:
    """All that one run of the benchmark found."""

    command: str
    isa: str
    machine: dict[str, Any]
    environments: dict[str, dict[str, str]]
    corpora: dict[str, str]
    gates: list[Gate] = field(default_factory=list)
    cells: list[CellResult] = field(default_factory=list)
    jobs: JobsResult | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def main_cells(self) -> list[CellResult]:
        return [result for result in self.cells if result.is_main]

    def to_dict(self) -> dict[str, Any]:
        """The raw numbers, as JSON holds them."""
        return {
            "command": self.command,
            "isa": self.isa,
            "machine": self.machine,
            "environments": self.environments,
            "corpora": self.corpora,
            "gates": [asdict(gate) | {"is_passed": gate.is_passed} for gate in self.gates],
            "cells": [asdict(result) for result in self.cells],
            "jobs": asdict(self.jobs) if self.jobs else None,
            "notes": self.notes,
        }

    def to_markdown(self) -> str:
        parts = ["# Training speed", *self.short(), *self.details()]
        return "\n\n".join(parts) + "\n"

    def short(self) -> Iterator[str]:
        """What stands in the README."""
        machine = self.machine
        packages = ", ".join(
            f"{name} {machine['packages'][name]}"
            for name in ("torch", "transformers", "peft", "trl")
        )
        limited = f", held to {self.isa.upper()}" if self.isa else ""
        yield (
            f"{machine['date']}, {machine['processor']['name']}, {machine['threads']} threads, "
            f"{machine['capability']}{limited}; {packages}. SmolLM2-135M-Instruct in float32, LoRA of rank 8 on all "
            f"seven linear layers. `{self.command}`"
        )
        for result in self.main_cells:
            yield _main_table(result)
        if self.jobs is not None:
            yield jobs_text(self.jobs)

    def details(self) -> Iterator[str]:
        yield "## How to read it\n\n" + _NOTES
        yield (
            "Corpora: " + "; ".join(f"{name}: {text}" for name, text in self.corpora.items()) + "."
        )
        if self.notes:
            yield "\n".join(f"- {note}" for note in self.notes)
        yield "## Must hold\n\n" + gates_table(self.gates)
        if self.cells:
            yield "## Every cell\n\n" + _cells_table(self.cells)
        for result in self.main_cells:
            if result.ablations:
                yield _ablations_table(result)
        yield "## Machine\n\n" + machine_text(self)


_NOTES = """Tokens a second count the tokens of the dataset: no padding, and a prefix that examples share counts for \
every example. Arms take turns on the same batches. Given are the median and its 95 % interval (bootstrap), or n where \
there were fewer than three rounds. Loading the model and making the trainer are not timed.

"TRL at its best" is the fastest of padded, grouped by length, padding-free and packed (best-fit decreasing, rows as \
long as a batch), with checkpointing off, tried anew in each cell. Packed rows are other batches, so tokens are what \
is compared. "TRL as it runs" has its own settings, with the CPU and float32 chosen. The last loss is that of the \
first round's last step; where examples were put together in another way (grouped, packed) it is of other examples.

The limit is the time that the products with frozen weights alone would take at the speed that the faster library \
reached on each shape: the sum of 2 M K N / speed over the tokens that must be computed (each shared prefix once, \
nothing after the last label, head and last block at label positions), forward and with respect to the input. Given is \
its share of the measured time: padding and repeated work show as distance from it. Speeds are measured at the start \
and corrected by one product that is measured again beside each round.

Peak memory is that of the arm's process in an untimed run, after memory kept for later was given back."""


def _main_table(result: CellResult) -> str:
    rows = [
        f"**{result.cell.corpus}**, {result.cell.examples} examples, batch {result.cell.batch_size}, "
        f"{_steps(result.steps)} a run\n",
        "| | tokens/s | times TRL at its best | share of limit | peak memory | last loss |",
        "|---|---|---|---|---|---|",
    ]
    for arm in ARMS:
        if arm.name not in result.rounds:
            continue
        mode = result.modes[arm.name]
        label = f"{arm.label} ({mode})" if mode and len(arm.modes) > 1 else arm.label
        share = result.limit_share(arm.name)
        rows.append(
            f"| {label} | {result.speed(arm.name).text()} | {result.ratio(arm.name, 'trl').text(2)} "
            f"| {100 * share.median:.0f} % | {result.peak_bytes(arm.name) / GIB:.1f} GiB "
            f"| {result.last_loss(arm.name):.3f} |"
        )
    return "\n".join(rows)


def _cells_table(cells: list[CellResult]) -> str:
    rows = [
        "| corpus | examples | batch | steps | rounds | ours | TRL at its best | TRL as it runs | ours / best "
        "| ours / as it runs |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for result in sorted(cells, key=lambda result: result.cell):
        corpus, examples, batch_size = result.cell
        rows.append(
            f"| {corpus} | {examples} | {batch_size} | {result.steps} | {len(result.rounds['ours'])} "
            f"| {result.speed('ours').text()} | {result.speed('trl').text()}, {result.modes['trl']} "
            f"| {result.speed('trl-default').text()} | {result.ratio('ours', 'trl').text(2)} "
            f"| {result.ratio('ours', 'trl-default').text(2)} |"
        )
    return "\n".join(rows)


def _ablations_table(result: CellResult) -> str:
    rows = [
        f"## Ours without each technique: {result.cell.corpus}, {result.cell.examples} examples, "
        f"batch {result.cell.batch_size}\n",
        "| without | tokens/s | what it gains | peak memory |",
        "|---|---|---|---|",
    ]
    for name in (WHOLE, *TECHNIQUES):
        technique = TECHNIQUES.get(name)
        label = f"{technique.name} ({technique.instead})" if technique else "nothing: the whole"
        gain = f"x {result.gain(name).text(2)}" if name != WHOLE else ""
        peak = result.ablation_probes[name].peak_bytes
        rows.append(
            f"| {label} | {result.ablation_speed(name).text()} | {gain} | {peak / GIB:.1f} GiB |"
        )
    return "\n".join(rows)


def jobs_text(jobs: JobsResult) -> str:
    plan = jobs.plan
    rows = [
        f"**{plan.asked} jobs of the first course**, one after another: 5 examples, {plan.epochs} epochs, to the "
        "written adapter\n",
        "| | first step done | one job | all |",
        "|---|---|---|---|",
    ]
    for arm, label in (("ours", "ours, one warm engine"), ("fresh", "TRL, a fresh process each")):
        ran = len(getattr(jobs, arm))
        extrapolated = "" if ran == plan.asked else f" (extrapolated from {ran})"
        rows.append(
            f"| {label} | {jobs.first_step(arm).text(1, ' s')} | {jobs.finished(arm).text(1, ' s')} "
            f"| {jobs.whole(arm):.0f} s{extrapolated} |"
        )
    rows.append(f"\nRatio {jobs.whole('fresh') / jobs.whole('ours'):.1f}.")
    return "\n".join(rows)


def gates_table(gates: list[Gate]) -> str:
    rows = ["| | found | limit | |", "|---|---|---|---|"]
    for gate in gates:
        verdict = "holds" if gate.is_passed else "**FAILED**"
        rows.append(f"| {gate.name} | {gate.value:.2g} | {gate.limit:.2g} | {verdict} |")
    return "\n".join(rows)


def machine_text(report: Report) -> str:
    """Processor, libraries, environments and what they can do."""
    machine = report.machine
    processor = machine["processor"]
    lines = [
        f"- {machine['date']}, {processor['name']}, {machine['cores']} cores, {machine['threads']} threads",
        f"- flags that matter: {', '.join(processor['flags']) or 'none'}; torch uses {machine['capability']}",
        f"- Python {machine['python']}, "
        + ", ".join(f"{name} {version}" for name, version in machine["packages"].items()),
        f"- environment of ours: {_variables(report.environments['engine'])}; of the others: "
        f"{_variables(report.environments['plain'])}",
        f"- memory copied at {machine['copy_bytes_per_second'] / 1e9:.1f} GB/s (read and written)",
        f"- load before the start: {machine['load']:.2f}",
        "",
        "Products, GFLOP/s forward / with respect to the input, M rows:",
        "",
        "| K x N | library | " + " | ".join(f"M = {rows}" for rows in ROWS) + " |",
        "|---|---|" + "---|" * len(ROWS),
    ]
    for shape, (inputs, outputs) in SHAPES.items():
        for library, table in machine["speeds"].items():
            found = {(row[1], row[2]): row[3] / 1e9 for row in table if row[0] == shape}
            cells = (f"{found['forward', m]:.0f} / {found['backward', m]:.0f}" for m in ROWS)
            lines.append(f"| {inputs} x {outputs} | {library} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _variables(environment: dict[str, str]) -> str:
    return ", ".join(f"`{name}={value}`" for name, value in environment.items()) or "nothing set"


def _steps(count: int) -> str:
    return f"{count} step{'s' if count > 1 else ''}"
