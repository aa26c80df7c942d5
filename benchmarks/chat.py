"""Chats with 30 adapters at once: the engine's room beside PEFT and llama.cpp's server, on the same prompts in turn.

First all answers of the engine in float32 are held against PEFT's, and the other precisions against float32; an arm
that fails is void. Run it on an idle machine: `python -m benchmarks chat`; it takes some 15 minutes on two cores and
needs 8 GiB. A run over a part (`--users 1,4 --rounds 1 --tokens 16 --arms ours-float32,peft`) publishes nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.chatting.arms import ARMS, OURS, Arm
from benchmarks.chatting.llama_side import LlamaServer
from benchmarks.chatting.mixed import EPOCHS, run_mixed
from benchmarks.chatting.plan import (
    ANSWER_TOKENS,
    COMPARED_TOKENS,
    STUDENTS,
    USERS,
    Run,
    Setup,
    read_run,
)
from benchmarks.chatting.processes import Processes
from benchmarks.chatting.report import Report
from benchmarks.training.report import Gate
from benchmarks.training.workers import ROOT
from engine.catalog import SMOLLM2
from engine.export.gguf_base import WEIGHT_FORMATS, write_base_gguf
from engine.models.bundled import bundled_weights
from engine.tests.factories import prepared_bundled_model

RESULTS = ROOT / "benchmarks" / "results"
SCRATCH = ROOT / ".make" / "benchmarks"
ROUNDS = 3
BUDGET_MINUTES = 15.0
SLOW_SECONDS = 15.0
"""A cell that takes longer is measured in the first round alone."""

MIXED_SECONDS = 120.0
"""Kept back for the job with chats."""

START_SECONDS = 5.0
"""Of one of llama.cpp's servers."""

BUSY = 0.5
EXACT_ANSWERS = 0
MOST_KL_NATS = 0.01
MOST_LOSS_CHANGE = 0.01


class Benchmark:
    """One run from the command line to its report.

    Args:
        folder: for adapters and logs.
    """

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self._options = options
        self._folder = folder
        self._started = time.perf_counter()
        self._setup = Setup(
            asdict(prepared_bundled_model()), str(folder / "adapters"), str(SCRATCH / "gguf")
        )
        self.processes = Processes(self._setup, folder)
        self._seconds: dict[tuple[str, int], float] = {}
        self._beginnings: list[str] = []

    def run(self) -> Report:
        """Everything, told on stdout as it comes."""
        load = os.getloadavg()[0]
        from benchmarks.chatting.adapters import write_adapters  # noqa: PLC0415

        adapter_bytes = write_adapters(self._setup)
        self._write_base_models()
        engine = self.processes.get("room", "float32")
        self._prompts = engine.call("prompts")
        report = Report(
            self._options.command,
            engine.call("describe") | {"load": load},
            adapter_bytes,
            self._options.tokens,
            notes=list(self._options.note),
        )
        if load > BUSY:
            report.notes.append(f"The machine was not idle: load {load:.2f} before the start.")
        self._prepare(report)
        for number in range(self._options.rounds):
            self._round(report, number)
        self._check(report)
        self._measure_memory(report)
        self.processes.close_all()
        if self._options.mixed:
            options = self._options
            report.mixed = run_mixed(
                self._setup, self._prompts, options.tokens, options.epochs, self._folder
            )
        return report

    def _write_base_models(self) -> None:
        """Kept between runs: they hang on the base model alone."""
        for format in WEIGHT_FORMATS:
            target = Path(self._setup.base_gguf) / f"{format}.gguf"
            if not target.is_file():
                source = bundled_weights(SMOLLM2)
                write_base_gguf(Path(self._setup.model["path"]), source, target, format)

    def _prepare(self, report: Report) -> None:
        """Open the engine's rooms, each precision in a process of its own."""
        # By itself: what it tries out would be counted with float32.
        report.chosen = self.processes.get("room", "choice").call("choice")["precision"]
        self.processes.close("room", "choice")
        report.product_rows = (1, 4, 8, 16, 30)
        if "ours-llama" in self._options.arms:
            folder = str(self._folder)
            self.processes.get("room", "llama.cpp").call("prepare_llama", folder=folder)
            report.llama_rows = self.processes.get("room", "trial").call(
                "llama_rows", folder=folder
            )
            # What it holds is nobody's figure, and would be missing for the others.
            self.processes.close("room", "trial")
        for precision, name in OURS.items():
            if name not in self._options.arms:
                continue
            process = self.processes.get("room", precision)
            choice = process.call("prepare", precision=precision)
            if choice is None:
                report.void[name] = "this host has no such products"
                continue
            report.choices[precision] = choice
            report.products[precision] = process.call("products")
            if choice["quality"] is not None:
                quality = choice["quality"]
                gates = [
                    Gate(f"{precision}: divergence in nats", quality["kl_nats"], MOST_KL_NATS),
                    Gate(
                        f"{precision}: change of the loss",
                        abs(quality["loss_ratio"] - 1),
                        MOST_LOSS_CHANGE,
                    ),
                ]
                report.gates += gates
                if not all(gate.is_passed for gate in gates):
                    report.void[name] = "its predictions are too far from float32's"
            say(f"{precision}: {report.products[precision]} ms, {choice['quality']}")

    def _round(self, report: Report, number: int) -> None:
        for users in reversed(self._options.users):
            for arm in ARMS:
                if arm.name in report.void or arm.name not in self._options.arms:
                    continue
                if arm.is_serial and users != max(self._options.users):
                    continue
                if number and not self._is_repeated(arm, users):
                    continue
                run = self._run(arm, users)
                self._seconds[arm.name, users] = run.seconds
                if arm.is_serial and not self._beginnings:
                    compared = min(COMPARED_TOKENS, self._options.tokens)
                    self._beginnings = self.processes.get(arm.kind).call(
                        "beginnings", tokens=compared
                    )
                for count in self._options.users if arm.is_serial else [users]:
                    report.runs.setdefault((arm.name, count), []).append(run.of_first(count))
                say(
                    f"round {number + 1}, {users} students, {arm.name}: {run.tokens_per_second:.1f} tokens/s"
                )

    def _is_repeated(self, arm: Arm, users: int) -> bool:
        """Whether a cell is short enough, and the budget, to measure it again."""
        seconds = self._seconds[arm.name, users]
        left = 60 * self._options.budget_minutes - MIXED_SECONDS - self.spent_seconds
        return seconds <= SLOW_SECONDS and START_SECONDS + seconds <= left

    @property
    def spent_seconds(self) -> float:
        return time.perf_counter() - self._started

    def _run(self, arm: Arm, users: int) -> Run:
        prompts, tokens = self._prompts[:users], self._options.tokens
        if arm.kind == "llama":
            with LlamaServer(self._setup, str(arm.way["format"]), users, self._folder) as server:
                is_shared = bool(arm.way.get("is_shared"))
                return server.run(prompts, tokens, is_shared=is_shared)
        use = str(arm.way.get("precision", ""))
        way = {} if arm.kind == "room" else arm.way
        process = self.processes.get(arm.kind, use)
        return read_run(process.call("run", prompts=prompts, tokens=tokens, **way))

    def _check(self, report: Report) -> None:
        """Hold the engine's answers in float32 against PEFT's."""
        users = max(self._options.users)
        ours = report.runs.get(("ours-float32", users))
        if not ours or not self._beginnings:
            return
        compared = min(COMPARED_TOKENS, self._options.tokens)
        different = sum(
            not run.texts[student].startswith(beginning)
            for run in ours
            for student, beginning in enumerate(self._beginnings)
        )
        name = f"float32: answers of {users} adapters that differ from PEFT's in {compared} tokens"
        report.gates.append(Gate(name, different, EXACT_ANSWERS))
        if different:
            report.void["ours-float32"] = f"{different} answers differ from PEFT's"

    def _measure_memory(self, report: Report) -> None:
        users = max(self._options.users)
        if users < STUDENTS or "ours-float32" not in self._options.arms:
            return
        ours = self.processes.get("room", "float32").call("memory")
        published = str(self._folder / "published")
        self.processes.get("models", "publisher").call("publish", folder=published)
        self.processes.close("models", "publisher")
        theirs = self.processes.get("models").call("memory", folder=published)
        report.memory = theirs | {
            "ours_bytes": ours["peak_bytes"] - ours["before_bytes"],
            "model_bytes": (Path(self._setup.model["path"]) / "model.safetensors").stat().st_size,
        }


def say(text: str) -> None:
    print(text, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _read(arguments)
    # So that a time limit from outside ends the other processes too, and removes their files.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="llmlora-bench-") as folder:
        benchmark = Benchmark(options, Path(folder))
        try:
            report = benchmark.run()
        finally:
            benchmark.processes.close_all()
    results = RESULTS if options.is_whole else SCRATCH
    results.mkdir(parents=True, exist_ok=True)
    markdown = report.to_markdown()
    (results / "chat.md").write_text(markdown, encoding="utf-8")
    (results / "chat.json").write_text(
        json.dumps(report.to_dict(), indent=1) + "\n", encoding="utf-8"
    )
    minutes = benchmark.spent_seconds / 60
    say(f"\n{markdown}\nWritten to {results.relative_to(ROOT)} after {minutes:.1f} minutes.")
    return 1 if report.void else 0


def _read(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks chat", description=__doc__)
    names = [arm.name for arm in ARMS]
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--users", type=_numbers, default=list(USERS), metavar="1,4,30")
    parser.add_argument(
        "--arms", type=lambda text: text.split(","), default=names, help=f"of {names}"
    )
    parser.add_argument("--tokens", type=int, default=ANSWER_TOKENS, help="of each answer")
    parser.add_argument(
        "--budget-minutes",
        type=float,
        default=BUDGET_MINUTES,
        help="after which nothing is measured again; the first round is always whole",
    )
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="of the job beside the chats")
    parser.add_argument("--no-mixed", dest="mixed", action="store_false", help="without training")
    parser.add_argument("--note", action="append", default=[], help="a line for the report")
    options = parser.parse_args(arguments)
    if not set(options.arms) <= set(names):
        parser.error(f"the arms are {', '.join(names)}")
    options.command = " ".join(["python -m benchmarks chat", *arguments])
    options.is_whole = (
        options.rounds >= ROUNDS
        and options.users == list(USERS)
        and options.arms == names
        and options.tokens == ANSWER_TOKENS
        and options.epochs == EPOCHS
        and options.mixed
    )
    return options


def _numbers(text: str) -> list[int]:
    numbers = sorted({int(part) for part in text.split(",")})
    if not 1 <= numbers[0] <= numbers[-1] <= STUDENTS:
        raise argparse.ArgumentTypeError(f"between 1 and {STUDENTS} students")
    return numbers


if __name__ == "__main__":
    sys.exit(main())
