"""Real jobs on the bundled base model, each made to show one finding, and what the diagnosis finds in their numbers.

`python -m benchmarks diagnosis [--only NAME ...] [--judge-again]` writes benchmarks/results/diagnosis.md. The
limits of training/diagnosis/rules.py were set by it and by the tiny jobs of training/tests/test_diagnosis_jobs.py.
"""

from __future__ import annotations

import argparse
import datetime
import json
import logging
import os
import platform
import random
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import django

from benchmarks.presets import catalogue
from benchmarks.spine import LEVEL_1

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmlora_site.settings")
django.setup()

from engine.models.devices import choose_device, set_threads  # noqa: E402
from engine.models.loading import ModelHost  # noqa: E402
from engine.tests.factories import make_training_spec, prepared_bundled_model  # noqa: E402
from training.tests.diagnosis_jobs import Told, train  # noqa: E402

RESULTS = Path(__file__).resolve().parent / "results"
RECORDS = RESULTS / "diagnosis.json"
"""The jobs' own numbers, so that changed rules can judge them again."""
KEPT = frozenset(
    [
        *("type", "step", "loss", "learning_rate", "grad_norm", "eval_loss"),
        *("example_count", "eval_example_count", "label_token_count"),
        *("cut_answer_count", "dropped_count"),
    ]
)

Records = list[dict[str, str]]


@dataclass(frozen=True)
class Job:
    """A job on the bundled model.

    Attributes:
        shows: the verdict that it was made for.
        also: a finding that must stand beside it.
    """

    shows: str
    records: Records
    training: dict[str, Any]
    lora: dict[str, Any] = field(default_factory=lambda: {"r": 8, "alpha": 16})
    asked: tuple[str, ...] = ()
    also: str = ""


def first_course() -> Records:
    return [json.loads(line) for line in LEVEL_1.read_text(encoding="utf-8").splitlines()]


def codes(count: int) -> Records:
    """Answers by chance: nothing can be learned of them but each one."""
    draw = random.Random(3)
    return [
        {
            "instruction": f"What is the code of locker {number}?",
            "output": "".join(draw.choice("abcdefghijklmnopqrstuvwxyz") for _letter in range(8)),
        }
        for number in range(count)
    ]


def stories(count: int) -> Records:
    """Answers that are longer than a short maximum length."""
    return [
        {
            "instruction": f"Tell me about bed {number}.",
            "output": f"Bed {number} lies behind the old pump. " * 10 + "That is all.",
        }
        for number in range(count)
    ]


WILD = {"max_grad_norm": 0, "warmup_ratio": 0, "lr_scheduler": "constant"}
LATE = {"eval_steps": 100_000}
"""Sample answers only at the end: they take longer than the training."""


def jobs() -> dict[str, Job]:
    garden = catalogue()
    return {
        "by heart, quick test": Job(
            "good",
            first_course(),
            {"learning_rate": 2e-3, "num_epochs": 15, "batch_size": 5},
            also="too_little_data",
        ),
        "rate far too low": Job(
            "no_effect",
            garden[:8],
            {"learning_rate": 1e-6, "num_epochs": 2, "batch_size": 2, "eval_fraction": 0.25},
        ),
        "rate far too high": Job(
            "diverged",
            garden[:8],
            {"learning_rate": 1e-1, "num_epochs": 3, "batch_size": 2} | WILD,
            lora={"r": 8, "alpha": 64},
        ),
        "codes by heart": Job(
            "memorised",
            codes(12),
            {"learning_rate": 2e-3, "num_epochs": 10, "eval_fraction": 0.25},
            also="too_little_data",
        ),
        "one epoch": Job(
            "under_trained", garden, {"learning_rate": 5e-4, "num_epochs": 1, "eval_fraction": 0.2}
        ),
        "standard, measured": Job(
            "good", garden, {"learning_rate": 1e-3, "num_epochs": 5, "eval_fraction": 0.25}
        ),
        # At 1e-2 it still learns, at 2e-2 it diverges.
        "rate too high": Job(
            "unstable",
            garden[:12],
            {"learning_rate": 1.4e-2, "num_epochs": 3, "batch_size": 2} | WILD,
        ),
        "all answers cut": Job(
            "never_learned_to_stop",
            stories(6),
            {"learning_rate": 2e-3, "num_epochs": 6, "batch_size": 2, "max_length": 80} | LATE,
            asked=("Tell me about bed 3.",),
            also="answers_cut",
        ),
        "some answers cut": Job(
            "answers_cut",
            garden[:8] + stories(3),
            {"learning_rate": 2e-3, "num_epochs": 5, "batch_size": 3, "max_length": 80},
        ),
        "rate too low, not measured": Job(
            "no_effect",
            first_course(),
            {"learning_rate": 1e-5, "num_epochs": 4, "batch_size": 2},
            also="no_held_out",
        ),
        "high quality": Job(
            "under_trained",
            garden[:16],
            {"learning_rate": 5e-4, "num_epochs": 4, "batch_size": 8, "warmup_ratio": 0.15},
        ),
        "one example a step": Job(
            "unstable",
            garden[:8] + codes(8),
            {"learning_rate": 5e-4, "num_epochs": 2, "batch_size": 1},
        ),
        "first course, one held out": Job(
            "memorised",
            first_course(),
            {"learning_rate": 2e-3, "num_epochs": 12, "eval_fraction": 0.2},
            also="too_little_data",
        ),
        "long examples left out": Job(
            "good",
            first_course() + stories(2),
            {"learning_rate": 2e-3, "num_epochs": 12, "max_length": 80, "overlong": "drop"},
            also="examples_left_out",
        ),
    }


HEAD = """# What the diagnosis finds in real jobs

`python -m benchmarks diagnosis`, {day}, {machine}. Jobs on the bundled base model, each made to
show one finding; a verdict in bold is not the expected one. Held-out losses: base model, best, last. The seconds
say little where the machine is busy.

| Job | Made to show | Verdict | Beside it | Steps | Loss, start and end | Held-out loss | Seconds |
|---|---|---|---|---:|---|---|---:|
"""


def main() -> int:
    options = _options()
    logging.disable(logging.INFO)
    started = time.monotonic()
    records: dict[str, dict[str, Any]] = json.loads(RECORDS.read_text()) if RECORDS.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        for name, job in jobs().items():
            is_asked = name in options.only or not (options.only or options.judge_again)
            if is_asked and time.monotonic() - started < options.budget_minutes * 60:
                records[name] = _run(job, Path(folder))
                RECORDS.write_text(json.dumps(records, separators=(",", ":")) + "\n")
            print(_row(name, job, records.get(name)), flush=True)
    rows = [_row(name, job, records.get(name)) for name, job in jobs().items()]
    machine = f"{os.cpu_count()} cores of a shared {platform.machine()} machine"
    report = HEAD.format(day=datetime.date.today(), machine=machine) + "\n".join(rows) + "\n"
    (RESULTS / "diagnosis.md").write_text(report, encoding="utf-8")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks diagnosis")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--budget-minutes", type=float, default=60)
    parser.add_argument(
        "--judge-again", action="store_true", help="train nothing, judge the recorded numbers"
    )
    return parser.parse_args(sys.argv[1:])


@cache
def _host() -> ModelHost:
    set_threads()
    return ModelHost(choose_device("cpu"))


def _run(job: Job, folder: Path) -> dict[str, Any]:
    """Train a job; its numbers, short enough to be kept."""
    settings = {"batch_size": 4, "max_length": 256} | job.training
    spec = make_training_spec(
        folder,
        prepared_bundled_model(),
        job.records,
        lora=job.lora,
        sample_prompts=job.asked,
        **settings,
    )
    started = time.monotonic()
    told = asdict(train(spec, _host()))
    told["events"] = [
        {name: _short(value) for name, value in event.items() if name in KEPT}
        for event in told["events"]
        if event["type"] in ("plan", "step", "evaluation")
    ]
    return told | {"seconds": round(time.monotonic() - started)}


def _short(value: Any) -> Any:
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _row(name: str, job: Job, record: dict[str, Any] | None) -> str:
    if record is None:
        return f"| {name} | {job.shows} | not run | | | | | |"
    seconds = record["seconds"]
    told = Told(**{part: value for part, value in record.items() if part != "seconds"})
    found = told.diagnosis()
    codes_found = [finding["code"] for finding in found["findings"]]
    is_expected = found["verdict"] == job.shows and (not job.also or job.also in codes_found)
    losses = [event["loss"] for event in told.events if event["type"] == "step"]
    held_out = [event["eval_loss"] for event in told.events if event["type"] == "evaluation"]
    cells = [
        name,
        job.shows,
        found["verdict"] if is_expected else f"**{found['verdict']}**",
        ", ".join(code for code in codes_found if code != found["verdict"]),
        str(len(losses)),
        f"{losses[0]:.2f}, {losses[-1]:.3f}" if losses else "",
        f"{held_out[0]:.2f}, {min(held_out):.2f}, {held_out[-1]:.2f}" if held_out else "",
        str(seconds),
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
