"""The script of a job, run by itself, has the same losses as the engine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage

from accounts.models import User
from datasets_app.selectors import latest_version
from datasets_app.tests.factories import make_dataset
from engine.config import LoraHyperparameters, TrainingHyperparameters
from engine.models.devices import choose_device
from engine.models.loading import ModelHost
from engine.protocol import BaseModelRef, TrainingSpec
from engine.tests.factories import make_tiny_base_model
from engine.training.run import TrainingRun
from training.models import TrainingJob
from training.scripting.script import python_script
from training.tests.factories import make_training_job

pytestmark = pytest.mark.django_db

TOLERANCE = 1e-3
"""One hundredth is promised; a wrong seed, mask, order or rate would already show in a thousandth."""

INSTRUCTIONS = [
    {
        "instruction": f"Who waters bed {number}?",
        "input": "Say <|im_end|> nothing else." if number % 3 else "",
        "output": f"Class {number}B." + " Every day." * (number % 4),
        "system": "You are the school's gardener." if number % 2 else "",
        "history": [["Hello?", "Good morning."]] if number % 4 == 0 else [],
    }
    for number in range(11)
]
CHATS = [
    {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": f" Bed {number}? "},
            {"role": "assistant", "content": "Dry."} | ({"weight": 0} if number % 2 else {}),
            {"role": "user", "content": "And now? " + "Think about it well. " * (number % 3) * 4},
            {"role": "assistant", "content": f"Wet since {number}."},
        ]
    }
    for number in range(9)
]
TEXTS = [
    {"prompt": f"Bed {number}: ", "completion": "green" * (number % 3 + 1)} for number in range(7)
]
CASES: dict[str, tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any]]] = {
    "plain": (
        INSTRUCTIONS,
        {"r": 4, "alpha": 8},
        {"num_epochs": 3, "batch_size": 2, "max_length": 256, "lr_scheduler": "linear"},
    ),
    "accumulated": (
        CHATS,
        {
            "r": 4,
            "variant": "rslora",
            "target_modules": ["q_proj", "v_proj", "down_proj"],
            "rank_pattern": {"q_proj": 2},
            "alpha_pattern": {"down_proj": 24},
        },
        {
            "num_epochs": 4,
            "batch_size": 2,
            "gradient_accumulation_steps": 2,
            "max_length": 128,
            "warmup_ratio": 0.4,
            "weight_decay": 0.1,
            "max_grad_norm": 0.5,
            "eval_fraction": 0.25,
            "seed": 7,
        },
    ),
    "adafactor": (
        TEXTS,
        {"r": 2, "variant": "dora"},
        {
            "num_epochs": 4,
            "batch_size": 3,
            "max_length": 64,
            "optimizer": "adafactor",
            "lr_scheduler": "constant",
            "max_grad_norm": 0,
            "logging_steps": 2,
        },
    ),
}


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """A second thread costs a tiny model far more than it gives."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> BaseModelRef:
    return make_tiny_base_model(tmp_path_factory.mktemp("tiny") / "base")


@pytest.mark.parametrize("case", CASES)
def test_the_script_of_a_job_has_the_losses_of_the_engine(
    case: str, student: User, tiny: BaseModelRef, tmp_path: Path
) -> None:
    records, lora, training = CASES[case]
    job = make_job(student, records, lora, training)
    dataset = tmp_path / "dataset.jsonl"
    with default_storage.open(job.dataset_version.file) as stored:
        dataset.write_bytes(stored.read())
    expected, kept = engine_losses(job, tiny, dataset, tmp_path)
    assert ("def shorten" in python_script(job)) == (case == "accumulated")
    told = run_script(job, tiny, dataset, tmp_path)
    assert losses_in(told, r"step (\d+) loss ([\d.]+)") == pytest.approx(
        expected["loss"], rel=TOLERANCE
    )
    assert losses_in(told, r"step (\d+) held-out loss ([\d.]+)") == pytest.approx(
        expected["eval_loss"], rel=TOLERANCE
    )
    assert bool(expected["eval_loss"]) == ("eval_fraction" in training)
    if expected["eval_loss"]:
        assert f"keeps the adapter of step {kept}," in told
    assert (tmp_path / "by-script" / "adapter_model.safetensors").is_file()


def make_job(
    student: User,
    records: list[dict[str, Any]],
    lora: dict[str, Any],
    training: dict[str, Any],
) -> TrainingJob:
    settings = {"learning_rate": 1e-2} | training
    return make_training_job(
        student,
        name='Garden """\nimport os',
        dataset_version=latest_version(make_dataset(student, name="Garden", records=records)),
        lora_config=LoraHyperparameters.from_mapping(lora).to_dict(),
        training_config=TrainingHyperparameters.from_mapping(settings).to_dict(),
        sample_prompts=["Who waters 'bed 1'?"],
    )


def engine_losses(
    job: TrainingJob, tiny: BaseModelRef, dataset: Path, folder: Path
) -> tuple[dict[str, dict[int, float]], int]:
    """The engine's curves by step, and the step whose adapter it kept; the job learns its plan."""
    spec = TrainingSpec(
        base_model=tiny,
        dataset_path=str(dataset),
        dataset_digest=job.dataset_version.digest,
        dataset_type=job.dataset_version.dataset.type,  # type: ignore[arg-type]
        output_dir=str(folder / "by-engine"),
        lora=job.lora,
        training=job.training,
    )
    curves: dict[str, dict[int, float]] = {"loss": {}, "eval_loss": {}}
    for event in TrainingRun("job", spec, ModelHost(choose_device("cpu"))):
        for name, curve in curves.items():
            if name in event:
                curve[event["step"]] = event[name]
        if event["type"] == "plan":
            job.plan = {name: event[name] for name in event if name not in ("type", "work_id")}
    return curves, event["adapter_step"]


def run_script(job: TrainingJob, tiny: BaseModelRef, dataset: Path, folder: Path) -> str:
    script = folder / "train.py"
    script.write_text(python_script(job), encoding="utf-8")
    arguments = ["--base-model", tiny.path, "--dataset", str(dataset), "--output", "by-script"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, str(script), *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "another dataset" not in done.stdout
    return done.stdout


def losses_in(told: str, pattern: str) -> dict[int, float]:
    return {int(step): float(loss) for step, loss in re.findall(pattern, told)}
