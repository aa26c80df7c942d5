"""A base model whose tokenizer lies here, and a worker that has measured it: times from a known rule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.utils import timezone

from datasets_app.models import DatasetVersion
from datasets_app.tests.tiny_models import write_tiny_model
from engine.catalog import SMOLLM2
from engine.config import LoraHyperparameters, TrainingHyperparameters
from modelhub.models import BaseModel, Worker
from modelhub.services import sync_base_models
from training.preflight.draft import Draft

MODEL = "byte-model"
GIB = 1024**3

PASS_SECONDS, TOKEN_SECONDS, PAIR_SECONDS, LABEL_SECONDS = 0.05, 0.002, 1e-6, 4e-4
PARAMETERS, UPDATE_SECONDS = 2_442_240, 0.02
RANK_SECONDS = 1e-3 / PARAMETERS


def make_measured_model(local_models: Path) -> BaseModel:
    """A model of one token for each byte, in the shape of the bundled one; its weights are never read."""
    folder = local_models / MODEL
    write_tiny_model(folder)
    config = {
        "model_type": "llama",
        "hidden_size": SMOLLM2.hidden_size,
        "intermediate_size": SMOLLM2.intermediate_size,
        "num_hidden_layers": SMOLLM2.layer_count,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "vocab_size": 49152,
        "tie_word_embeddings": True,
        "max_position_embeddings": 2048,
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"no weights")
    sync_base_models()
    return BaseModel.objects.get(name=MODEL)


def cell(width: int, count: int, *, rank: int = 8, recompute: bool = False) -> dict[str, Any]:
    """A measured step that follows the rule exactly."""
    tokens, labels = width * count, width * count // 2
    parameters = PARAMETERS * rank // 8
    each = TOKEN_SECONDS + RANK_SECONDS * (parameters - PARAMETERS)
    blocks = PASS_SECONDS + tokens * each + PAIR_SECONDS * tokens * width
    return {
        "width": width,
        "count": count,
        "rank": rank,
        "recompute": recompute,
        "labels": labels,
        "parameters": parameters,
        "seconds": blocks * (1.5 if recompute else 1) + labels * LABEL_SECONDS,
        "update_seconds": UPDATE_SECONDS * rank / 8,
        "tokens_per_second": 400.0,
    }


def make_calibration(**changes: Any) -> dict[str, Any]:
    shape = {
        "module_shapes": {name: list(pair) for name, pair in SMOLLM2.module_shapes.items()},
        "layer_count": SMOLLM2.layer_count,
        "vocabulary_size": 49152,
        "head_size": 64,
        "element_bytes": 4,
        "tiled_keys": 512,
        "head_positions": 256,
        "micro_batch_tokens": 1024,
    }
    return {
        "load_seconds": None,
        "shape": shape,
        "total_bytes": 16 * GIB,
        "available_bytes": 12 * GIB,
        "resident_bytes": GIB,
        "step_bytes": 600 * 2**20,
        "reckoned_bytes": 500 * 2**20,
        "device": "cpu",
        "device_name": "Test processor",
        "dtype": "float32",
        "steps": [
            cell(32, 1),
            cell(32, 8),
            cell(256, 1),
            cell(32, 4, recompute=True),
            cell(32, 4, rank=64),
        ],
        "evaluation": {"width": 32, "count": 8, "seconds": cell(32, 8)["seconds"] * 0.4},
        "head": {"labels": 128, "seconds": 128 * LABEL_SECONDS},
        "answer": {
            "prompt_tokens": 40,
            "prefill_seconds": 0.2,
            "tokens": 7,
            "decode_seconds": 0.7,
        },
        "preparation": {
            "tokens": 3000,
            "examples": 64,
            "seconds": 0.03,
            "adapter_seconds": 0.4,
        },
        "seconds": 4.0,
        "other_load": 0.0,
        "version": "0.1.0",
        "measured_at": timezone.now().isoformat(),
    } | changes


def make_measured_worker(base_model: BaseModel, name: str = "lab", **changes: Any) -> Worker:
    """A worker that takes work and knows the base model's speed on its device."""
    calibration = make_calibration(**changes)
    return Worker.objects.create(
        name=name,
        state=Worker.State.READY,
        device=calibration["device"],
        device_name=calibration["device_name"],
        calibration={base_model.digest: calibration},
        heartbeat_at=timezone.now(),
    )


def make_draft(base_model: BaseModel, version: DatasetVersion, **changes: Any) -> Draft:
    """Changes of hyperparameters go in by their own names."""
    lora = {name: changes.pop(name) for name in [*changes] if name in _LORA_NAMES}
    training = {name: changes.pop(name) for name in [*changes] if name in _TRAINING_NAMES}
    return Draft(
        base_model=base_model,
        dataset_version=version,
        lora=LoraHyperparameters.from_mapping(lora),
        training=TrainingHyperparameters.from_mapping(training),
        **changes,
    )


_LORA_NAMES = set(LoraHyperparameters.parameters())
_TRAINING_NAMES = set(TrainingHyperparameters.parameters())
