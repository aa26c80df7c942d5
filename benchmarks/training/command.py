"""Training speed, side by side: the engine, TRL, and PEFT with transformers' Trainer, on the same batches in turn.

First it checks that all arms learn the same; when they do not, no time counts and the exit status is 1. Run it on an
idle machine: `make bench ARGS=training`, or `python -m benchmarks training --help`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.training.cells import MOST_REPEATS, Measurer
from benchmarks.training.corpora import DATASET_TYPES
from benchmarks.training.jobs import JobsPlan, JobsResult, run_jobs
from benchmarks.training.plot import draw
from benchmarks.training.report import Gate, Report, gates_table, jobs_text, machine_text
from benchmarks.training.results import LOSS_TOLERANCE, GateFailedError
from benchmarks.training.work import (
    MAIN_BATCH,
    MAIN_EXAMPLES,
    Cell,
    Setup,
    TokenCorpus,
    Work,
    read_corpora,
    steps_in_epoch,
)
from benchmarks.training.workers import ISAS, ROOT, Workers, chosen_variables, environments
from engine.config import LoraHyperparameters
from engine.tests.factories import prepared_bundled_model

LORA = LoraHyperparameters(r=8, alpha=16)
EXAMPLES, BATCHES = (5, 50, 200), (1, 4, 8)
BUDGET_MINUTES, QUICK_MINUTES = 45.0, 3.0
MAIN_WEIGHT = 6
"""A main cell gets this many times the time of another."""

JOBS = JobsPlan(asked=10, ours=10, fresh=3)
QUICK_JOBS = JobsPlan(asked=10, ours=1, fresh=1, epochs=2)
JOBS_SECONDS, QUICK_JOBS_SECONDS = 240, 20
"""Kept back for the jobs."""

EXACT = 1e-4
BUSY = 0.5
RESULTS = ROOT / "benchmarks" / "results"
PLOTS = ROOT / "docs" / "images"
SCRATCH = ROOT / ".make" / "benchmarks"
"""Of runs over a part only: they replace no published result."""


class Benchmark:
    """One run from the command line to its report.

    Args:
        folder: for what the workers share, and their logs.
    """

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self._options = options
        self._folder = folder
        self._started = time.perf_counter()
        self._model = prepared_bundled_model()
        self._setup = Setup(
            asdict(self._model), str(folder / "rows.json"), str(folder / "adapter"), LORA.to_dict()
        )
        self._environments = environments(options.isa)
        self.workers = Workers(self._setup, self._environments, folder)

    def run(self) -> Report:
        """Everything, told on stdout as it comes.

        Raises:
            GateFailedError: something that must hold does not.
        """
        load = os.getloadavg()[0]
        ours = self.workers.get("engine", "engine")
        ours.call("prepare")
        corpora = read_corpora(self._setup.rows_path)
        report = self._report(corpora, load)
        say(machine_text(report) + "\n")
        if load > BUSY:
            report.notes.append(f"The machine was not idle: load {load:.2f} before the start.")
            say(f"WARNING: {report.notes[-1]}\n")
        report.gates = self._gates()
        say(gates_table(report.gates) + "\n")
        if not all(gate.is_passed for gate in report.gates):
            raise GateFailedError("the arms do not learn the same")
        self._measure(report, corpora)
        largest = max(result.loss_difference for result in report.cells)
        name = "last loss of every run on the same batches: largest difference from ours"
        report.gates.append(Gate(name, largest, LOSS_TOLERANCE))
        return report

    def _report(self, corpora: dict[str, TokenCorpus], load: float) -> Report:
        rounds = 1 if self._options.quick else 5
        machine = self.workers.get("engine", "engine").call("describe", rounds=rounds)
        return Report(
            command=self._options.command,
            isa=self._options.isa,
            machine=machine | {"load": load},
            environments={
                name: chosen_variables(values) for name, values in self._environments.items()
            },
            corpora={name: describe(corpus) for name, corpus in corpora.items()},
        )

    def _gates(self) -> list[Gate]:
        worker = self.workers.get("gates", "engine")
        gates = []
        for corpus in self._corpora():
            errors = worker.call("gradient", corpus=corpus)
            note = f" (PEFT's own in float32: {errors['library']:.2g})"
            for way in ("prefix once", "prefix repeated"):
                gates.append(
                    Gate(f"{corpus}: error of a gradient, {way}{note}", errors[way], EXACT)
                )
            error = worker.call("saved_adapter", corpus=corpus)
            gates.append(Gate(f"{corpus}: error of PEFT's logits with our file", error, EXACT))
        self.workers.close("gates", "engine")
        return gates + [self._held_out_gate(corpus) for corpus in self._corpora()]

    def _held_out_gate(self, corpus: str) -> Gate:
        steps = min(steps_in_epoch(MAIN_EXAMPLES, MAIN_BATCH), self._options.max_steps)
        work = Work(corpus, MAIN_EXAMPLES, MAIN_BATCH, steps, is_measured=True)
        ours = self.workers.get("engine", "engine").run(work).held_out_loss
        theirs = self.workers.get("trl").run(replace(work, way="padded")).held_out_loss
        assert ours is not None
        assert theirs is not None
        name = f"{corpus}: held-out loss after {steps} steps, ours {ours:.4f}, TRL's {theirs:.4f}"
        return Gate(name, abs(ours / theirs - 1), LOSS_TOLERANCE)

    def _measure(self, report: Report, corpora: dict[str, TokenCorpus]) -> None:
        measurer = Measurer(
            self.workers,
            corpora,
            [row for table in report.machine["speeds"].values() for row in table],
            self._options.max_steps,
            1 if self._options.quick else MOST_REPEATS,
            say,
        )
        cells = self._cells()
        jobs = self._jobs()
        kept_back = (
            0 if jobs is None else QUICK_JOBS_SECONDS if self._options.quick else JOBS_SECONDS
        )
        while cells:
            cell = cells.pop(0)
            weights = [self._weight(other) for other in (cell, *cells)]
            if jobs is not None and weights[0] == 1:
                measurer.rest()
                report.jobs, jobs, kept_back = self._run_jobs(jobs), None, 0
            seconds = (self._left() - kept_back) * weights[0] / sum(weights)
            is_main = weights[0] == MAIN_WEIGHT
            report.cells.append(measurer.measure(cell, max(seconds, 1.0), is_main=is_main))
        if jobs is not None:
            measurer.rest()
            report.jobs = self._run_jobs(jobs)

    def _run_jobs(self, plan: JobsPlan) -> JobsResult:
        result = run_jobs(plan, self._model, self._environments, self._folder)
        say(jobs_text(result))
        return result

    def _jobs(self) -> JobsPlan | None:
        if self._options.only:
            return None
        plan = QUICK_JOBS if self._options.quick else JOBS
        return replace(plan, fresh=plan.asked) if self._options.all_ten else plan

    def _cells(self) -> list[Cell]:
        """Main cells first."""
        if self._options.only:
            return [self._options.only]
        if self._options.quick:
            return [Cell(corpus, EXAMPLES[0], MAIN_BATCH) for corpus in DATASET_TYPES]
        cells = [
            Cell(corpus, examples, batch_size)
            for corpus in DATASET_TYPES
            for examples in EXAMPLES
            for batch_size in BATCHES
        ]
        return sorted(cells, key=lambda cell: -self._weight(cell))

    def _corpora(self) -> list[str]:
        return list(dict.fromkeys(cell.corpus for cell in self._cells()))

    def _weight(self, cell: Cell) -> int:
        is_main = cell[1:] == (MAIN_EXAMPLES, MAIN_BATCH) or self._options.quick
        return MAIN_WEIGHT if is_main else 1

    def _left(self) -> float:
        return self._options.budget_minutes * 60 - (time.perf_counter() - self._started)


def describe(corpus: TokenCorpus) -> str:
    lengths = [len(row.input_ids) for row in corpus.trained]
    labels = sum(sum(row.is_label) for row in corpus.trained) / len(lengths)
    return (
        f"{len(lengths)} examples of {min(lengths)} to {max(lengths)} tokens, {corpus.mean_length:.0f} on average, "
        f"{labels:.0f} of them learned"
    )


def say(text: str) -> None:
    print(text, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _read(arguments)
    with tempfile.TemporaryDirectory(prefix="llmlora-bench-") as folder:
        benchmark = Benchmark(options, Path(folder))
        try:
            report = benchmark.run()
        except GateFailedError as failure:
            say(
                f"\n{'!' * 100}\nVOID: {failure}. No time of this run counts; no file was written.\n{'!' * 100}"
            )
            return 1
        finally:
            benchmark.workers.close_all()
    _write(report, options)
    return 0


def _read(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks training", description=__doc__)
    parser.add_argument(
        "--budget-minutes",
        type=float,
        help=f"of the whole run; {BUDGET_MINUTES:.0f} when not given",
    )
    parser.add_argument(
        "--max-steps",
        type=int,
        help="most optimizer steps of a timed run; as the time allows when not given",
    )
    parser.add_argument("--quick", action="store_true", help="a smoke run of some three minutes")
    parser.add_argument(
        "--only", type=_cell, metavar="CORPUS/EXAMPLES/BATCH", help="measure this cell alone"
    )
    parser.add_argument(
        "--isa", choices=ISAS, default="", help="hold all arms to an older instruction set"
    )
    parser.add_argument(
        "--all-ten", action="store_true", help="run all ten jobs over TRL, extrapolate none"
    )
    options = parser.parse_args(arguments)
    options.command = " ".join(["python -m benchmarks training", *arguments])
    options.budget_minutes = options.budget_minutes or (
        QUICK_MINUTES if options.quick else BUDGET_MINUTES
    )
    options.max_steps = options.max_steps or (1 if options.quick else max(EXAMPLES))
    return options


def _cell(text: str) -> Cell:
    corpus, examples, batch_size = text.split("/")
    if corpus not in DATASET_TYPES:
        raise argparse.ArgumentTypeError(f"the corpora are {', '.join(DATASET_TYPES)}")
    return Cell(corpus, int(examples), int(batch_size))


def _write(report: Report, options: argparse.Namespace) -> None:
    is_whole = not options.quick and options.only is None
    suffix = f"-{options.isa}" if options.isa else ""
    folder, plots = (RESULTS, PLOTS) if is_whole else (SCRATCH, SCRATCH)
    folder.mkdir(parents=True, exist_ok=True)
    markdown = report.to_markdown()
    (folder / f"training{suffix}.md").write_text(markdown, encoding="utf-8")
    raw = json.dumps(report.to_dict(), indent=1) + "\n"
    (folder / f"training{suffix}.json").write_text(raw, encoding="utf-8")
    if report.main_cells:
        draw(report, plots / f"training-speed{suffix}.svg")
    say("\n" + markdown)
    places = dict.fromkeys(str(place.relative_to(ROOT)) for place in (folder, plots))
    say(f"Written to {' and '.join(places)}.")


if __name__ == "__main__":
    sys.exit(main())
