"""The sides of the chat comparison. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Arm:
    """One side.

    Attributes:
        kind: of the process that plays it (benchmarks.chatting.child), or llama.
        way: what that process is told.
        is_serial: whether one student is served after another, so that a run of many shows one of few.
    """

    name: str
    label: str
    kind: str
    way: dict[str, str | bool] = field(default_factory=dict)
    is_serial: bool = False


ARMS = (
    Arm("ours-float32", "ours, float32", "room", {"precision": "float32"}),
    Arm("ours-bfloat16", "ours, bfloat16", "room", {"precision": "bfloat16"}),
    Arm("ours-int8", "ours, int8", "room", {"precision": "int8"}),
    Arm("ours-llama", "ours, llama.cpp Q8_0 in process", "room", {"precision": "llama.cpp"}),
    Arm("peft", "PEFT `generate`, one after another", "peft", is_serial=True),
    Arm("peft-batch", "PEFT `generate`, `adapter_names`", "peft", {"is_batched": True}),
    Arm("llama-f32", "llama-server F32", "llama", {"format": "F32"}),
    Arm("llama-f16", "llama-server F16", "llama", {"format": "F16"}),
    Arm("llama-q8", "llama-server Q8_0", "llama", {"format": "Q8_0"}),
    Arm(
        "llama-q8-shared",
        "llama-server Q8_0, one adapter for all",
        "llama",
        {"format": "Q8_0", "is_shared": True},
    ),
)
OURS = {"float32": "ours-float32", "bfloat16": "ours-bfloat16", "int8": "ours-int8"}
SAME_PRECISION = {
    "ours-float32": "llama-f32",
    "ours-bfloat16": "llama-f16",
    "ours-int8": "llama-q8",
    "ours-llama": "llama-q8",
}
