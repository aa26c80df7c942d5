"""A lesson of forty: sign in, start a job each in the same minute, watch it on two sockets, browse.

Starts `llmlora up` on an empty home with everything by default, and uses it as browsers and programs would, over HTTP
and WebSockets. Run it on an idle machine: `python -m benchmarks classroom` takes about six minutes. The base model is
a tiny one, so that what is measured is the serving; `--bundled` trains the bundled one, and both cores are its own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import datetime
import json
import os
import platform
import random
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.datasets import RESULTS, SCRATCH, _processor
from benchmarks.load import report as reporting
from benchmarks.load.browser import Answer
from benchmarks.load.processes import Watch
from benchmarks.load.rows import TINY_MODEL, run_step
from benchmarks.load.sockets import SocketCounts
from benchmarks.load.students import Lesson, Seat, Student
from benchmarks.spine import Product
from engine.catalog import DEFAULT_BASE_MODEL

STUDENTS = 40
ARRIVAL_SECONDS = 60.0
START_SECONDS = 60.0
BROWSE_SECONDS = 180.0
DRAIN_SECONDS = 1800.0
TINY_EPOCHS = 30
BUNDLED_EPOCHS = 2
LOOP_PROBE_SECONDS = 0.05


def main() -> int:
    parser = _parser()
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="llmlora-class-"))
    try:
        with _environment(home, is_bundled=options.bundled):
            report = measure(home, options)
    finally:
        if options.keep_home:
            print(f"The home is kept at {home}.")
        else:
            shutil.rmtree(home, ignore_errors=True)
    _write(report, is_whole=_is_lesson(options, parser.parse_args([])))
    print(reporting.to_markdown(report))
    return 0 if all(is_met for _goal, _value, is_met in reporting.verdicts(report)) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks classroom", description=__doc__)
    parser.add_argument("--students", type=int, default=STUDENTS)
    parser.add_argument("--browse", type=float, default=BROWSE_SECONDS, help="seconds")
    parser.add_argument("--arrival", type=float, default=ARRIVAL_SECONDS, help="seconds")
    parser.add_argument("--start", type=float, default=START_SECONDS, help="seconds")
    parser.add_argument("--epochs", type=int, default=None, help="of each job")
    parser.add_argument("--bundled", action="store_true", help="train the bundled base model")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--note", default="", help="to be printed with the figures")
    parser.add_argument("--keep-home", action="store_true")
    return parser


def _is_lesson(options: argparse.Namespace, usual: argparse.Namespace) -> bool:
    """Whether it was the lesson that is published; any other replaces no result."""
    free = {"note": "", "keep_home": False}
    return vars(options) | free == vars(usual) | free


@contextlib.contextmanager
def _environment(home: Path, *, is_bundled: bool) -> Iterator[None]:
    """What the product and the steps read; nothing of the caller's own installation."""
    before = dict(os.environ)
    for name in list(os.environ):
        if name.startswith("LLMLORA_") or name in ("DATABASE_URL", "REDIS_URL"):
            del os.environ[name]
    os.environ["LLMLORA_HOME"] = str(home)
    if not is_bundled:
        os.environ["LLMLORA_SKIP_BUNDLED"] = "1"
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def measure(home: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One lesson from the start of the product to its end."""
    machine = _machine()
    if not options.bundled:
        run_step("model")
    password = secrets.token_urlsafe(12)
    product = Product(home)
    try:
        seeded = run_step("seed", str(options.students), password)
        seats = [Seat(**seat) for seat in seeded["seats"]]
        lesson = Lesson(
            address=product.address,
            password=password,
            order=_order(options),
            arrival_seconds=options.arrival,
            start_seconds=options.start,
            browse_seconds=options.browse,
            queue_page=seeded["queue_page"],
        )
        played = asyncio.run(_play(product, lesson, seats, random.Random(options.seed)))
        rows = run_step("read")
    finally:
        _stop(product)
    watch = played.pop("watch")
    machine["other_cores"] = _other_cores(watch)
    return {
        "machine": machine,
        "students": options.students,
        "model": DEFAULT_BASE_MODEL if options.bundled else "tiny (two layers of width 16)",
        "jobs_per_device": seeded["jobs_per_device"],
        "note": options.note,
        "lesson": {
            name: getattr(lesson, name)
            for name in ("arrival_seconds", "start_seconds", "browse_seconds")
        },
        "http": reporting.http_figures(played["answers"]),
        "events": reporting.event_figures(seats, rows["events"]),
        "jobs": reporting.job_figures(seats, rows["jobs"], rows["events"]),
        "problems": {seat.username: seat.problem for seat in seats if seat.problem},
        "sockets": dataclasses.asdict(played["counts"])
        | {"mean_open": statistics.mean(watch.open_sockets), "open": watch.open_sockets},
        "clients": {"loop_delay": played["loop_delay"]},
        "processes": {
            "at": watch.at,
            "wall_seconds": watch.wall_seconds,
            "parts": {name: dataclasses.asdict(part) for name, part in watch.parts.items()},
        },
    }


def _stop(product: Product) -> None:
    """In good order; a product that hangs must not cost what was measured. Its processes end with it."""
    try:
        product.stop()
    except subprocess.TimeoutExpired:
        print("llmlora did not stop within 30 s and was killed.", file=sys.stderr)
        product.process.kill()
        product.process.wait()


def _order(options: argparse.Namespace) -> dict[str, Any]:
    epochs = options.epochs or (BUNDLED_EPOCHS if options.bundled else TINY_EPOCHS)
    return {
        "name": "Lesson",
        "model_name": DEFAULT_BASE_MODEL if options.bundled else TINY_MODEL,
        "lora_config": {"r": 8, "alpha": 16},
        "training_config": {
            "learning_rate": 1e-3,
            "num_epochs": epochs,
            "batch_size": 4,
            "max_length": 128,
            "eval_fraction": 0.2,
        },
        "sample_prompts": ["Who waters bed 3?"],
    }


async def _play(
    product: Product, lesson: Lesson, seats: list[Seat], dice: random.Random
) -> dict[str, Any]:
    answers: list[Answer] = []
    counts = SocketCounts()
    watch = Watch(product.process.pid)
    epoch = time.perf_counter()
    delays: list[float] = []
    beside = [
        asyncio.create_task(watch.run(counts)),
        asyncio.create_task(_probe_loop(delays)),
    ]
    students = [
        Student(seat, lesson, answers, counts, random.Random(dice.random()), epoch)
        for seat in seats
    ]
    await asyncio.gather(*(student.attend() for student in students))
    await asyncio.gather(*(student.finish(DRAIN_SECONDS) for student in students))
    for task in beside:
        task.cancel()
    await asyncio.gather(*beside, return_exceptions=True)
    return {
        "answers": answers,
        "counts": counts,
        "watch": watch,
        "loop_delay": [reporting.percentile(delays, 95), max(delays, default=0.0)],
    }


async def _probe_loop(delays: list[float]) -> None:
    """How late the clients' own loop is: so much of each measured time may be theirs."""
    while True:
        started = time.perf_counter()
        await asyncio.sleep(LOOP_PROBE_SECONDS)
        delays.append(time.perf_counter() - started - LOOP_PROBE_SECONDS)


def _machine() -> dict[str, Any]:
    return {
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
    }


def _other_cores(watch: Watch) -> float:
    """How many cores others kept busy during the run."""
    ours = sum(part.processor_seconds for part in watch.parts.values())
    return max(0.0, watch.machine_seconds - ours) / watch.wall_seconds


def _write(report: dict[str, Any], *, is_whole: bool) -> None:
    folder = RESULTS if is_whole else SCRATCH
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "classroom.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (folder / "classroom.md").write_text(reporting.to_markdown(report), encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
