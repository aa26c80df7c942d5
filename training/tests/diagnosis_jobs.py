"""Real jobs for the diagnosis: a tiny base model that has been to school, and the numbers of its jobs as rows."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.inference.run import GenerationRun
from engine.models.loading import ModelHost
from engine.protocol import BaseModelRef, GenerationSpec, TrainingSpec
from engine.tests.factories import make_tiny_base_model
from engine.training.run import TrainingRun
from engine.training.samples import SAMPLING
from modelhub.models import BaseModel
from training.diagnosis.reading import diagnosis_of
from training.models import MetricPoint, TrainingJob

Records = list[dict[str, str]]

SCHOOL_STEPS = 300
CONTEXT_LENGTH = 512
PLANTS = (
    "fern",
    "moss",
    "clover",
    "poppy",
    "thistle",
    "ivy",
    "lupin",
    "sorrel",
    "yarrow",
    "violet",
)


def lessons(count: int, *, seed: int = 0) -> Records:
    """What the tiny base model learns before any job: short questions, short answers, and where they end."""
    draw = random.Random(seed)
    return [
        {
            "instruction": f"{_word(draw)} {_word(draw)} {draw.randrange(100)}?",
            "output": " ".join(_word(draw) for _index in range(draw.randint(1, 4))) + ".",
        }
        for _index in range(count)
    ]


def _word(draw: random.Random) -> str:
    """A name of a plant, or letters by chance: what comes after each letter stays open."""
    if draw.random() < 0.5:
        return draw.choice(PLANTS)
    return "".join(draw.choice("abcdefghijklmnoprstuwy") for _letter in range(draw.randint(2, 5)))


def rule(count: int, *, seed: int = 1) -> Records:
    """Answers of one form, so that what is learned helps with examples never seen."""
    draw = random.Random(seed)
    return [
        {
            "instruction": f"Where is the {draw.choice(PLANTS)} {index}?",
            "output": f"It is in bed {draw.randrange(4)}.",
        }
        for index in range(count)
    ]


def chance(count: int, *, length: int = 8, seed: int = 2) -> Records:
    """Answers by chance: whatever is learned of them helps with no other."""
    draw = random.Random(seed)
    return [
        {
            "instruction": f"code {index}?",
            "output": "".join(draw.choice("abcdefghij") for _letter in range(length)),
        }
        for index in range(count)
    ]


def endless(count: int) -> Records:
    """Answers far longer than the maximum length of a small job."""
    return [
        {"instruction": f"tell {index}", "output": "green bed, " * 12} for index in range(count)
    ]


def make_schooled_base_model(folder: Path) -> BaseModelRef:
    """The tiny model with all its weights trained on `lessons`: like a real one it knows the form of an answer."""
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM

    from engine.data.chat_template import ChatFormat
    from engine.data.records import read_example
    from engine.data.tokenizer_files import TokenizerFiles, chat_format_of

    ref = make_tiny_base_model(folder, name="schooled")
    chat_format: ChatFormat = chat_format_of(TokenizerFiles(folder))
    examples = [chat_format.tokenize(read_example(item, "instruction")) for item in lessons(400)]
    longest = max(len(example.input_ids) for example in examples)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        draw = random.Random(0)
        for _step in range(SCHOOL_STEPS):
            batch = draw.sample(examples, 16)
            ids = torch.tensor(
                [item.input_ids + [0] * (longest - len(item.input_ids)) for item in batch]
            )
            labels = torch.tensor(
                [
                    [
                        token if is_label else -100
                        for token, is_label in zip(item.input_ids, item.is_label, strict=True)
                    ]
                    + [-100] * (longest - len(item.input_ids))
                    for item in batch
                ]
            )
            model(input_ids=ids, labels=labels).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    weights = {
        key: value.contiguous().clone()
        for key, value in model.state_dict().items()
        if key != "lm_head.weight"
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    return BaseModelRef(ref.name, ref.path, digest)


@dataclass(frozen=True)
class Told:
    """What a job told, as plain JSON: enough to judge it again."""

    lora: dict[str, Any]
    training: dict[str, Any]
    events: list[dict[str, Any]]
    samples: list[dict[str, Any]] = field(default_factory=list)
    failure: dict[str, Any] | None = None

    def diagnosis(self) -> dict[str, Any]:
        """What the numbers say, taken as the worker records them."""
        job, points = rows_of(self)
        if self.failure is not None:
            job.status = TrainingJob.Status.FAILED
            job.error_code, job.error_params = self.failure["code"], self.failure["params"]
        return diagnosis_of(job, points, self.samples)


def train(spec: TrainingSpec, host: ModelHost) -> Told:
    """Train a job to its end and ask it its questions once more."""
    events: list[dict[str, Any]] = []
    failure = None
    try:
        events.extend(TrainingRun("job", spec, host))
    except EngineError as error:
        failure = {"code": error.code, "params": error.params}
    samples = last_samples(spec, host, events)
    return Told(spec.lora.to_dict(), spec.training.to_dict(), events, samples, failure)


def last_samples(
    spec: TrainingSpec, host: ModelHost, events: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The finished adapter's answers as payloads of "sample" events."""
    if not events or events[-1]["type"] != "finished":
        return []
    samples = []
    for index, prompt in enumerate(spec.sample_prompts):
        asked = GenerationSpec(
            base_model=spec.base_model,
            turns=[{"role": "user", "content": prompt}],
            sampling=SAMPLING,
            adapter_path=spec.output_dir,
            adapter_digest=events[-1]["adapter_digest"],
        )
        answered = list(GenerationRun("answer", asked, host))
        samples.append(
            {
                "step": events[-1]["adapter_step"],
                "index": index,
                "prompt": prompt,
                "text": "".join(event["text"] for event in answered if event["type"] == "text"),
                "finish_reason": answered[-1]["finish_reason"],
            }
        )
    return samples


def rows_of(told: Told) -> tuple[TrainingJob, list[MetricPoint]]:
    """A job and its points, not saved."""
    job = TrainingJob(
        base_model=BaseModel(context_length=CONTEXT_LENGTH),
        lora_config=told.lora,
        training_config=told.training,
        status=TrainingJob.Status.COMPLETED,
    )
    points: dict[int, MetricPoint] = {}
    for event in told.events:
        if event["type"] == "plan":
            job.plan = {name: event[name] for name in event if name not in ("type", "work_id")}
        if event["type"] not in ("step", "evaluation"):
            continue
        step = event["step"]
        point = points.setdefault(step, MetricPoint(job=job, step=step, epoch=0))
        for name in ("loss", "learning_rate", "grad_norm", "eval_loss"):
            if name in event:
                setattr(point, name, event[name])
    return job, [points[step] for step in sorted(points)]
