"""A finished adapter as the GGUF file that llama.cpp lays over its base model. Torch-free.

llama.cpp computes W x + (alpha / rank) B A x with one alpha for the whole file. What differs from that, rsLoRA's square
root or an alpha of single layers, is folded into alpha or into B.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from engine.config import LoraHyperparameters
from engine.errors import AdapterError
from engine.export.gguf_layout import GgufLayout, gguf_written_whole, read_model_config
from engine.inference.adapter_cache import read_adapter_config

_PREFIX = "base_model.model."
_A, _B = ".lora_A.weight", ".lora_B.weight"


def write_adapter_gguf(adapter: Path, base_model: Path, target: Path) -> None:
    """Write a folder of PEFT's as one GGUF file, replacing an older one.

    Args:
        adapter: folder with adapter_config.json and adapter_model.safetensors.
        base_model: folder whose config.json tells the layout.

    Raises:
        AdapterError: the folder is unusable, or the adapter is of a kind that llama.cpp can not apply.
        UnsupportedModelError: llama.cpp knows the base model's layers by no name.
        DiskFullError: no space left.
    """
    lora = read_adapter_config(adapter)
    if not _is_plain(lora):
        raise AdapterError("llama.cpp applies neither DoRA nor biases", reason="unsupported")
    layout = GgufLayout.of(read_model_config(base_model))
    weights = adapter / "adapter_model.safetensors"
    try:
        state = load_file(weights)
    except (OSError, SafetensorError) as failure:
        raise AdapterError(f"{weights}: {failure}", reason="unreadable") from failure
    alpha = _scaling(lora, lora.r, lora.alpha) * lora.r
    with gguf_written_whole(target, layout.architecture) as writer:
        writer.add_type("adapter")
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", alpha)
        for module, (a, b) in sorted(_pairs(state).items()):
            name = layout.name(module)
            rank = len(a)
            wanted = _scaling(lora, rank, lora.alpha_pattern.get(_leaf(module), lora.alpha))
            folded = layout.ordered(name, b) * np.float32(wanted * rank / alpha)
            writer.add_tensor(f"{name}.weight.lora_a", a)
            writer.add_tensor(f"{name}.weight.lora_b", np.ascontiguousarray(folded))


def is_plain_lora(adapter: str | None) -> bool:
    """Whether llama.cpp can apply the adapter in a folder; None is the base model, to which nothing is applied."""
    if adapter is None:
        return True
    try:
        return _is_plain(read_adapter_config(Path(adapter)))
    except AdapterError:
        return False


def _is_plain(lora: LoraHyperparameters) -> bool:
    return lora.variant != "dora" and lora.bias == "none"


def _scaling(lora: LoraHyperparameters, rank: int, alpha: float) -> float:
    return alpha / (math.sqrt(rank) if lora.variant == "rslora" else rank)


def _leaf(module: str) -> str:
    return module.rpartition(".")[2]


def _pairs(state: Mapping[str, np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """A (rank, inputs) and B (outputs, rank) in float32, by the module's name."""
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for key, a in state.items():
        if key.endswith(_A):
            module = key.removesuffix(_A)
            b = state.get(module + _B)
            if b is None or a.ndim != 2 or b.ndim != 2 or len(a) != b.shape[1]:
                raise AdapterError(f"{module} has no pair of matrices", reason="unreadable")
            name = module.removeprefix(_PREFIX)
            found[name] = (a.astype(np.float32), b.astype(np.float32))
    if 2 * len(found) != len(state):
        raise AdapterError("the adapter has weights beside LoRA's pairs", reason="unsupported")
    return found
