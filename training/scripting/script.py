"""A job as a Python script that repeats it with transformers, peft and torch alone; here it is only text."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from django.template import Context, Engine, Template

from engine.catalog import SMOLLM2
from engine.config import LoraHyperparameters
from modelhub.models import BaseModel
from training.models import TrainingJob

TEMPLATE = Path(__file__).with_name("script.py.txt")

HUB_ORIGINALS = {SMOLLM2.name: "HuggingFaceTB/SmolLM2-135M-Instruct"}
"""Where the bundled base models come from."""

SCHEDULES = {
    "constant": "on at that height",
    "linear": "down in a line to zero",
    "cosine": "down along half a cosine to zero",
}


def python_script(job: TrainingJob) -> str:
    """The script of a job; every text of a person stands in it as a quoted literal."""
    context = Context(_values(job), autoescape=False, use_l10n=False)
    return str(_template().render(context))


@cache
def _template() -> Template:
    return Engine(autoescape=False).from_string(TEMPLATE.read_text(encoding="utf-8"))


def _values(job: TrainingJob) -> dict[str, Any]:
    lora, training = job.lora, job.training
    evaluation = job.eval_dataset_version
    types = {job.dataset_version.dataset.type} | (
        {evaluation.dataset.type} if evaluation else set()
    )
    has_turns, has_completions = bool(types - {"completion"}), "completion" in types
    has_eval_file = evaluation is not None
    is_split = _is_split(job)
    return {
        "name": ascii(job.name),
        "base_model": ascii(_base_model_source(job.base_model)),
        "dataset_digest": ascii(job.dataset_version.digest),
        "prompts": ascii(job.sample_prompts) if job.sample_prompts else "",
        "target_modules": list(lora.target_modules),
        "alpha": _plain(lora.alpha),
        "rank_pattern": dict(lora.rank_pattern),
        "alpha_pattern": {name: _plain(alpha) for name, alpha in lora.alpha_pattern.items()},
        "schedule": SCHEDULES[training.lr_scheduler],
        "pieces": _pieces(has_turns=has_turns, has_completions=has_completions),
        "has_turns": has_turns,
        "has_chat": "chat" in types,
        "has_instructions": "instruction" in types,
        "has_completions": has_completions,
        "has_eval_file": has_eval_file,
        "has_long": _has_long_examples(job),
        "is_kept": training.overlong == "keep_answer",
        "is_split": is_split,
        "has_held_out": has_eval_file or is_split,
        "eval_steps": training.eval_steps or "steps_in_epoch",
        "is_best_kept": training.kept_adapter == "best",
        "is_bundled": job.base_model.source == BaseModel.Source.BUNDLED,
        "has_dropout": lora.dropout > 0,
        "lora": lora,
        "training": training,
    } | _variant(lora)


def _variant(lora: LoraHyperparameters) -> dict[str, bool]:
    return {f"is_{name}": lora.variant == name for name in ("rslora", "dora", "qlora")}


def _pieces(*, has_turns: bool, has_completions: bool) -> str:
    if has_turns and has_completions:
        is_turns = '"messages" in record or "instruction" in record'
        return f"turn_pieces(read_turns(record)) if {is_turns} else text_pieces(record)"
    return "turn_pieces(read_turns(record))" if has_turns else "text_pieces(record)"


def _base_model_source(base_model: BaseModel) -> str:
    if base_model.source == BaseModel.Source.LOCAL:
        return f"models/{base_model.name}"
    return HUB_ORIGINALS.get(base_model.name, base_model.name)


def _has_long_examples(job: TrainingJob) -> bool:
    """Whether an example may be too long; a job that has counted them knows."""
    plan = job.plan
    return not plan or bool(plan.get("truncated_count", 0) + plan.get("cut_answer_count", 0))


def _is_split(job: TrainingJob) -> bool:
    """Whether a share of the dataset is held out; a job that has counted it knows."""
    if job.eval_dataset_version is not None or not job.training.eval_fraction:
        return False
    count = job.plan.get("eval_example_count")
    return bool(count) if count is not None else job.dataset_version.example_count > 1


def _plain(alpha: float) -> int | float:
    return int(alpha) if alpha == int(alpha) else alpha
