"""A finished adapter as the folder that PEFT, the adapter download and the engine itself read.

The folder appears whole: it is written beside its place, synced, and renamed; manifest.json is its last file and lists
every other one with size and sha256.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from engine.config import LoraHyperparameters
from engine.durable import folder_written_whole, write_bytes
from engine.models.lora import peft_config
from engine.protocol import TrainingSpec

MANIFEST = "manifest.json"
WEIGHTS = "adapter_model.safetensors"
FORMAT_VERSION = 1
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
_PACKAGES = ("torch", "transformers", "peft", "safetensors", "tokenizers", "datasets")


@dataclass(frozen=True, slots=True)
class WrittenAdapter:
    """What lies in the folder: file name to sha256, the sha256 of the weights, all bytes together."""

    files: dict[str, str]
    adapter_digest: str
    size_bytes: int


def adapter_config_json(lora: LoraHyperparameters, base_model_name: str) -> bytes:
    """PEFT's adapter_config.json; the same settings give the same bytes."""
    shape: Any = peft_config(lora, base_model_name)
    config = shape.to_dict()
    config["inference_mode"] = True
    plain = {
        key: sorted(value) if isinstance(value, set) else value for key, value in config.items()
    }
    plain["peft_type"] = "LORA"
    return _json(plain)


def write_weights(
    folder: Path, state: Mapping[str, torch.Tensor], lora: LoraHyperparameters, base_model_name: str
) -> None:
    """Write the two files that PEFT needs into an existing folder."""
    # Through bytes, not save_file: a full disk then shows as OSError with its number.
    write_bytes(folder / WEIGHTS, save(dict(state), metadata={"format": "pt"}))
    write_bytes(folder / "adapter_config.json", adapter_config_json(lora, base_model_name))


def write_adapter(
    spec: TrainingSpec, state: Mapping[str, torch.Tensor], metrics: Mapping[str, Any], log: str
) -> WrittenAdapter:
    """Write the complete folder at spec.output_dir, replacing an older one.

    Args:
        state: adapter weights under PEFT's keys.
        metrics: figures and curves of the job.
        log: short text of what happened.

    Raises:
        DiskFullError: no space left.
    """
    with folder_written_whole(Path(spec.output_dir)) as folder:
        write_weights(folder, state, spec.lora, spec.base_model.name)
        for name in TOKENIZER_FILES:
            source = Path(spec.base_model.path) / name
            if source.is_file():
                write_bytes(folder / name, source.read_bytes())
        settings = {"lora": spec.lora.to_dict(), "training": spec.training.to_dict()}
        write_bytes(folder / "training_args.json", _json(settings))
        write_bytes(folder / "metrics.json", _json(dict(metrics)))
        write_bytes(folder / "log.txt", log.encode())
        write_bytes(folder / "README.md", model_card(spec, metrics).encode())
        contents = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        manifest = _json(_manifest(spec, metrics, contents))
        write_bytes(folder / MANIFEST, manifest)
        contents[MANIFEST] = manifest
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    return WrittenAdapter(digests, digests[WEIGHTS], sum(map(len, contents.values())))


def model_card(spec: TrainingSpec, metrics: Mapping[str, Any]) -> str:
    """README.md of the folder, with the metadata block that model hubs read."""
    name = spec.base_model.name
    lora, training = spec.lora, spec.training
    return f"""---
library_name: peft
base_model: {name}
tags: [lora, {lora.variant}]
---

# LoRA adapter for {name}

Trained on {metrics["example_count"]} examples for {metrics["steps"]} steps; final loss {metrics["final_loss"]:.4f}.

| Setting | Value |
|---|---|
| Variant | {lora.variant} |
| Rank, alpha | {lora.r}, {lora.alpha:g} |
| Target layers | {", ".join(lora.target_modules)} |
| Learning rate, schedule | {training.learning_rate:g}, {training.lr_scheduler} |
| Epochs, batch size | {training.num_epochs}, {training.effective_batch_size} |
| Seed | {training.seed} |

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM

base = AutoModelForCausalLM.from_pretrained("path/to/{name}", dtype="float32")
model = PeftModel.from_pretrained(base, "path/to/this/folder")
```

The base model is identified by its digest in manifest.json; another one gives other answers.
"""


def _manifest(
    spec: TrainingSpec, metrics: Mapping[str, Any], contents: Mapping[str, bytes]
) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "base_model": {"name": spec.base_model.name, "digest": spec.base_model.digest},
        "dataset_digest": spec.dataset_digest,
        "dataset_type": spec.dataset_type,
        "eval_dataset_digest": spec.eval_dataset_digest,
        "adapter_digest": hashlib.sha256(contents[WEIGHTS]).hexdigest(),
        "seed": spec.training.seed,
        "lora": spec.lora.to_dict(),
        "training": spec.training.to_dict(),
        "passes": dict(metrics["passes"]),
        "versions": {"python": platform.python_version()}
        | {name: metadata.version(name) for name in _PACKAGES},
        "files": {
            name: asdict(_FileEntry(len(data), hashlib.sha256(data).hexdigest()))
            for name, data in contents.items()
        },
    }


@dataclass(frozen=True, slots=True)
class _FileEntry:
    size_bytes: int
    sha256: str


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"
