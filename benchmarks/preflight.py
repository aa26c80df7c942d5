"""How far what is told before a job starts lies from what it takes: `python -m benchmarks preflight`.

A worker's engine is measured as in use, then jobs of several corpora, lengths and adapters run through it. Each is
forecast first, as the page of a new job does; the forecast of a later one is corrected by those before it. Run it on an
idle machine; it takes some five minutes on two cores. `--jobs 3` runs the first three only and publishes nothing.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.spine import LEVEL_1

if TYPE_CHECKING:
    from accounts.models import User
    from datasets_app.models import DatasetVersion
    from engine.client import EngineClient
    from engine.protocol import BaseModelRef
    from modelhub.models import BaseModel

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
SCRATCH = ROOT / ".make" / "benchmarks"
WORKER = "benchmark"
GOAL = 0.25
"""Most that a forecast may lie beside the truth."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One job: examples of a corpus and settings."""

    name: str
    corpus: str
    count: int
    training: dict[str, Any]
    lora: dict[str, Any] = field(default_factory=dict)
    prompts: tuple[str, ...] = ()


QUICK = {"learning_rate": 2e-3, "num_epochs": 15, "batch_size": 5, "max_length": 256}
TRIALS = (
    Trial("first course", "course", 5, QUICK),
    Trial("standard", "english", 24, {"num_epochs": 5, "batch_size": 4}),
    Trial("Japanese", "japanese", 20, {"num_epochs": 3, "batch_size": 4}),
    Trial("long examples", "notes", 12, {"num_epochs": 1, "batch_size": 4, "max_length": 1024}),
    Trial("long, shortened", "notes", 12, {"num_epochs": 2, "batch_size": 4, "max_length": 192}),
    Trial("one by one", "english", 24, {"num_epochs": 2, "batch_size": 1}),
    Trial(
        "attention only",
        "english",
        24,
        {"num_epochs": 3},
        {"target_modules": ["attention"], "r": 4},
    ),
    Trial("rank 64", "english", 24, {"num_epochs": 3}, {"r": 64, "alpha": 128}),
    Trial("dropout", "english", 24, {"num_epochs": 3}, {"dropout": 0.05}),
    Trial(
        "checkpointing",
        "notes",
        8,
        {"num_epochs": 1, "batch_size": 4, "gradient_checkpointing": "on"},
    ),
    Trial(
        "held out, one question",
        "english",
        24,
        {"num_epochs": 3, "eval_fraction": 0.25},
        prompts=("Where does the fern grow?",),
    ),
    Trial("large batch", "english", 48, {"num_epochs": 2, "batch_size": 24}),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Seconds and bytes, as told and as they were.

    Attributes:
        measured_seconds: by the measurement of the engine alone.
        told_seconds: corrected by the jobs before.
    """

    name: str
    steps: int
    tokens: int
    measured_seconds: float
    told_seconds: float
    seconds: float
    told_bytes: int
    peak_bytes: int

    @property
    def error(self) -> float:
        return self.told_seconds / self.seconds - 1

    @property
    def measured_error(self) -> float:
        return self.measured_seconds / self.seconds - 1


def examples(corpus: str, count: int) -> list[dict[str, Any]]:
    """The first examples of a corpus that is made by rule."""
    if corpus == "course":
        rows = map(json.loads, LEVEL_1.read_text(encoding="utf-8").splitlines())
    elif corpus == "notes":
        from benchmarks.datasets import english_row  # noqa: PLC0415

        dice = random.Random(1)
        rows = iter([english_row(dice, number) for number in range(count)])
    else:
        from benchmarks.training.corpora import records  # noqa: PLC0415

        rows = iter(records(corpus))  # type: ignore[arg-type]
    return [next(rows) for _number in range(count)]


def run(trials: tuple[Trial, ...], folder: Path) -> dict[str, Any]:
    """Every trial in a fresh installation below `folder`."""
    owner, base_model = _install(folder)
    from engine.client import EngineClient  # noqa: PLC0415
    from modelhub.models import Worker  # noqa: PLC0415
    from modelhub.selectors import base_model_ref  # noqa: PLC0415
    from training.preflight.calibrating import calibrate  # noqa: PLC0415

    ref = base_model_ref(base_model)
    load = os.getloadavg()[0]
    client = EngineClient(folder / "engine.log")
    client.start()
    *_, loaded = client.load(ref)
    if loaded["type"] != "loaded" or not calibrate(client, WORKER):
        raise SystemExit("The base model could not be measured.")
    calibration = Worker.objects.get().calibration[ref.digest]
    outcomes = []
    for trial in trials:
        outcomes.append(_run_trial(trial, owner, base_model, client, ref, folder))
        print(_line(outcomes[-1]), flush=True)
    client.close()
    return {
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "processor": calibration["device_name"],
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load": load,
        "other_load": calibration["other_load"],
        "calibration": calibration,
        "outcomes": [asdict(outcome) for outcome in outcomes],
    }


def _install(folder: Path) -> tuple[User, BaseModel]:
    """A home of its own with its database; base models are those that are prepared on this machine."""
    from llmlora_site.home import Home  # noqa: PLC0415

    prepared = next(
        (
            path
            for path in (Home.from_environment().model_cache, ROOT / ".make" / "models")
            if any(path.glob("*"))
        ),
        None,
    )
    if prepared is None:
        raise SystemExit("The base model is not prepared yet: start llmlora once.")
    home = Home(folder / "home")
    home.create()
    home.model_cache.rmdir()
    home.model_cache.symlink_to(prepared.resolve(), target_is_directory=True)
    for name in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(name, None)
    os.environ |= {
        "LLMLORA_HOME": str(home.root),
        "DJANGO_SETTINGS_MODULE": "llmlora_site.settings",
    }
    for command in (["migrate", "--verbosity", "0"], ["createcachetable"]):
        subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, check=True)
    import django  # noqa: PLC0415

    django.setup()
    from django.utils import timezone  # noqa: PLC0415

    from accounts.models import User  # noqa: PLC0415
    from engine.catalog import DEFAULT_BASE_MODEL  # noqa: PLC0415
    from modelhub.models import BaseModel, Worker  # noqa: PLC0415
    from modelhub.services import sync_base_models  # noqa: PLC0415

    sync_base_models()
    Worker.objects.create(name=WORKER, state=Worker.State.READY, heartbeat_at=timezone.now())
    owner = User.objects.create_user("benchmark", "benchmark@example.org", None)
    return owner, BaseModel.objects.get(name=DEFAULT_BASE_MODEL)


def _run_trial(
    trial: Trial,
    owner: User,
    base_model: BaseModel,
    client: EngineClient,
    ref: BaseModelRef,
    folder: Path,
) -> Outcome:
    from datasets_app.selectors import latest_version  # noqa: PLC0415
    from datasets_app.services.creating import create_dataset  # noqa: PLC0415
    from engine.config import LoraHyperparameters, TrainingHyperparameters  # noqa: PLC0415
    from training.models import TrainingJob  # noqa: PLC0415
    from training.preflight.draft import Draft  # noqa: PLC0415
    from training.preflight.estimate import stored_form  # noqa: PLC0415
    from training.preflight.forecast import Forecaster  # noqa: PLC0415

    rows = examples(trial.corpus, trial.count)
    version = latest_version(create_dataset(owner, name=trial.name, records=rows))
    job = TrainingJob(
        owner=owner,
        name=trial.name,
        base_model=base_model,
        dataset_version=version,
        lora_config=LoraHyperparameters.from_mapping(trial.lora).to_dict(),
        training_config=TrainingHyperparameters.from_mapping(trial.training).to_dict(),
        sample_prompts=list(trial.prompts),
    )
    forecast = Forecaster(Draft.of(job)).forecast()
    slowest = forecast.slowest
    if slowest is None:
        raise SystemExit(f"{trial.name}: nothing can be told ({forecast.reason})")
    job.estimate = stored_form(forecast)
    seconds, end = _train(job, version, client, ref, folder)
    job.memory_bytes = end["peak_memory_bytes"]
    _keep(job, slowest.device.name, seconds, forecast.plan.total_steps)
    fit = forecast.fit
    return Outcome(
        name=trial.name,
        steps=forecast.plan.total_steps,
        tokens=round(fit.mean_tokens * fit.used) if fit else 0,
        measured_seconds=slowest.duration.total,
        told_seconds=slowest.seconds,
        seconds=seconds,
        told_bytes=slowest.memory.memory_bytes,
        peak_bytes=end["peak_memory_bytes"],
    )


def _train(
    job: Any, version: DatasetVersion, client: EngineClient, ref: BaseModelRef, folder: Path
) -> tuple[float, dict[str, Any]]:
    from django.core.files.storage import default_storage  # noqa: PLC0415

    from engine.protocol import TrainingSpec  # noqa: PLC0415

    spec = TrainingSpec(
        base_model=ref,
        dataset_path=default_storage.path(version.file),
        dataset_digest=version.digest,
        dataset_type=version.dataset.type,  # type: ignore[arg-type]
        output_dir=str(folder / f"adapter-{job.pk}"),
        lora=job.lora,
        training=job.training,
        sample_prompts=tuple(job.sample_prompts),
    )
    started = time.perf_counter()
    *_, end = client.submit_training(spec, work_id=str(job.pk))
    if end["type"] != "finished":
        raise SystemExit(f"{job.name}: {end}")
    return time.perf_counter() - started, end


def _keep(job: Any, device_name: str, seconds: float, steps: int) -> None:
    """As a worker keeps a completed job, so that it corrects what is told of the next."""
    from django.utils import timezone  # noqa: PLC0415

    job.status, job.stage = "completed", "done"
    job.device_name, job.device_seconds = device_name, seconds
    job.current_step = job.total_steps = steps
    job.completed_at = timezone.now()
    job.save()


def to_markdown(report: dict[str, Any]) -> str:
    """The report as it is published."""
    outcomes = [Outcome(**outcome) for outcome in report["outcomes"]]
    lines = [
        f"{report['processor']}, {report['cores']} cores, Python {report['python']}, {report['date']}; load before the "
        f"start {report['load']:.2f}, other programs took {100 * report['other_load']:.0f} % of the processors while "
        "the engine was measured.",
        "",
        "Seconds from the request to the engine until the saved adapter. “By the measurement”: of the engine alone; "
        "“as told”: corrected by the jobs before. Memory is the most that the engine held until then.",
        "",
        "| Job | Steps | Tokens an epoch | By the measurement | As told | It took | Off | Memory as told | Peak |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        *map(_line, outcomes),
        "",
        *_summary("As told", [outcome.error for outcome in outcomes]),
        *_summary("By the measurement alone", [outcome.measured_error for outcome in outcomes]),
    ]
    return "\n".join(lines) + "\n"


def _summary(words: str, errors: list[float]) -> Iterator[str]:
    sizes = [abs(error) for error in errors]
    within = sum(size <= GOAL for size in sizes)
    yield (
        f"{words}: off by {100 * statistics.median(sizes):.0f} % in the median and {100 * max(sizes):.0f} % at most; "
        f"{within} of {len(sizes)} within {100 * GOAL:.0f} %."
    )


def _line(outcome: Outcome) -> str:
    cells = [
        outcome.name,
        f"{outcome.steps}",
        f"{outcome.tokens:,}",
        f"{outcome.measured_seconds:.1f} s",
        f"{outcome.told_seconds:.1f} s",
        f"{outcome.seconds:.1f} s",
        f"{100 * outcome.error:+.0f} %",
        f"{outcome.told_bytes / 2**30:.2f} GiB",
        f"{outcome.peak_bytes / 2**30:.2f} GiB",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks preflight", description=__doc__)
    parser.add_argument("--jobs", type=int, default=len(TRIALS), metavar="COUNT")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="llmlora-bench-") as folder:
        report = run(TRIALS[: options.jobs], Path(folder))
    results = RESULTS if options.jobs >= len(TRIALS) else SCRATCH
    results.mkdir(parents=True, exist_ok=True)
    markdown = to_markdown(report)
    (results / "preflight.md").write_text(markdown, encoding="utf-8")
    (results / "preflight.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"\n{markdown}\nWritten to {results.relative_to(ROOT)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
