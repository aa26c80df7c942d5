"""The students' adapters: random, of the size that a job leaves behind, as PEFT's folders and as llama.cpp's files."""

from __future__ import annotations

from pathlib import Path

import torch

from benchmarks.chatting.plan import STUDENTS, Setup
from engine.catalog import SMOLLM2
from engine.config import LoraHyperparameters
from engine.export.gguf_adapter import write_adapter_gguf
from engine.export.peft_adapter import write_weights

LORA = LoraHyperparameters(r=8, alpha=16)
B_DEVIATION = 0.02
"""Of the normal numbers in B, about what a short training leaves there."""

_HIDDEN, _INNER, _KEYS = SMOLLM2.hidden_size, SMOLLM2.intermediate_size, SMOLLM2.key_value_size
_SHAPES = {
    "self_attn.q_proj": (_HIDDEN, _HIDDEN),
    "self_attn.k_proj": (_HIDDEN, _KEYS),
    "self_attn.v_proj": (_HIDDEN, _KEYS),
    "self_attn.o_proj": (_HIDDEN, _HIDDEN),
    "mlp.gate_proj": (_HIDDEN, _INNER),
    "mlp.up_proj": (_HIDDEN, _INNER),
    "mlp.down_proj": (_INNER, _HIDDEN),
}
"""(inputs, outputs)."""


def write_adapters(setup: Setup) -> int:
    """Write those of all students; the same every time.

    Returns:
        Bytes of one adapter's weights.
    """
    for student in range(STUDENTS):
        folder = setup.adapter(student)
        folder.mkdir(parents=True)
        write_weights(folder, _weights(student), LORA, setup.model["name"])
        write_adapter_gguf(folder, Path(setup.model["path"]), setup.adapter_gguf(student))
    return (setup.adapter(0) / "adapter_model.safetensors").stat().st_size


def _weights(student: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(student)
    state = {}
    for layer in range(SMOLLM2.layer_count):
        for module, (inputs, outputs) in _SHAPES.items():
            key = f"base_model.model.model.layers.{layer}.{module}"
            a = torch.randn(LORA.r, inputs, generator=generator) / inputs**0.5
            b = torch.randn(outputs, LORA.r, generator=generator) * B_DEVIATION
            state |= {f"{key}.lora_A.weight": a, f"{key}.lora_B.weight": b}
    return state
