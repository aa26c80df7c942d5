"""Ten jobs of the first course one after another: in one warm engine, and each in a fresh process over TRL."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import engine.client
from benchmarks.spine import LEVEL_1
from benchmarks.training.statistics import Estimate, estimate
from benchmarks.training.workers import ROOT
from engine.client import EngineClient
from engine.config import TrainingHyperparameters
from engine.presets import LORA_PRESETS, TRAINING_PRESETS
from engine.protocol import BaseModelRef, TrainingSpec


@dataclass(frozen=True, slots=True)
class JobTimes:
    """Seconds from handing a job over; from starting the process where each job has its own."""

    first_step: float
    finished: float


@dataclass(frozen=True, slots=True)
class JobsPlan:
    """How many jobs are asked about, how many really run, and for how many epochs; 0 is the preset's own number."""

    asked: int
    ours: int
    fresh: int
    epochs: int = 0


@dataclass(frozen=True, slots=True)
class JobsResult:
    plan: JobsPlan
    ours: list[JobTimes]
    fresh: list[JobTimes]

    def finished(self, arm: str) -> Estimate:
        return estimate([times.finished for times in getattr(self, arm)])

    def first_step(self, arm: str) -> Estimate:
        return estimate([times.first_step for times in getattr(self, arm)])

    def whole(self, arm: str) -> float:
        """Seconds of all jobs asked about, one after another; those that did not run take the mean of the others."""
        times = getattr(self, arm)
        return self.plan.asked * sum(job.finished for job in times) / len(times)


def run_jobs(
    plan: JobsPlan, model: BaseModelRef, environments: dict[str, dict[str, str]], folder: Path
) -> JobsResult:
    """Ours, then theirs: the warm engine is closed before the first fresh process starts."""
    training = _preset(TRAINING_PRESETS, "quick_test")
    training = replace(training, num_epochs=plan.epochs or training.num_epochs)
    plan = replace(plan, epochs=training.num_epochs)
    ours = _run_ours(plan, model, training, environments["engine"], folder)
    fresh = [
        _run_fresh(model, training, environments["plain"], folder / f"fresh{number}")
        for number in range(plan.fresh)
    ]
    return JobsResult(plan, ours, fresh)


def _preset(presets: Any, name: str) -> Any:
    return next(preset.settings for preset in presets if preset.name == name)


def _run_ours(
    plan: JobsPlan,
    model: BaseModelRef,
    training: TrainingHyperparameters,
    environment: dict[str, str],
    folder: Path,
) -> list[JobTimes]:
    digest = hashlib.sha256(LEVEL_1.read_bytes()).hexdigest()
    client = EngineClient(folder / "engine.log")
    # The engine's own list would not let the variables of an older instruction set through.
    patch = mock.patch.object(engine.client, "engine_environment", return_value=environment)
    try:
        with patch:
            end = list(client.load(model))[-1]
        if end["type"] != "loaded":
            raise SystemExit(f"the base model could not be loaded: {end}")
        specs = [
            TrainingSpec(
                model,
                str(LEVEL_1),
                digest,
                "instruction",
                str(folder / f"job{number}"),
                _preset(LORA_PRESETS, "balanced"),
                training,
            )
            for number in range(plan.ours)
        ]
        return [_run_one(client, spec) for spec in specs]
    finally:
        client.close()


def _run_one(client: EngineClient, spec: TrainingSpec) -> JobTimes:
    started = time.perf_counter()
    first_step = 0.0
    for event in client.submit_training(spec, work_id=Path(spec.output_dir).name):
        if event["type"] == "step" and not first_step:
            first_step = time.perf_counter() - started
    if event["type"] != "finished":
        raise SystemExit(f"the engine's job ended as {event}")
    return JobTimes(first_step, time.perf_counter() - started)


def _run_fresh(
    model: BaseModelRef,
    training: TrainingHyperparameters,
    environment: dict[str, str],
    folder: Path,
) -> JobTimes:
    job = {
        "model": model.path,
        "records": str(LEVEL_1),
        "output": str(folder),
        "lora": _preset(LORA_PRESETS, "balanced").to_dict(),
        "training": asdict(training),
    }
    log = folder.with_suffix(".log")
    started = time.perf_counter()
    first_step = 0.0
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.training.fresh", json.dumps(job)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith('{"event": "step"'):
                first_step = time.perf_counter() - started
    if process.returncode or not (folder / "adapter_model.safetensors").is_file():
        text = log.read_text(encoding="utf-8", errors="replace")
        raise SystemExit(
            f"the job over TRL ended with status {process.returncode}:\n{text[-3000:]}"
        )
    return JobTimes(first_step, time.perf_counter() - started)
