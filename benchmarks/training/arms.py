"""The sides of the training comparison, and the names of the engine's techniques. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

OTHER_BATCHES = ("grouped", "packed")
"""Modes that put other examples together: their steps, and so their losses, are not comparable one by one."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One side of the comparison.

    Attributes:
        modes: tried in each cell; the fastest is measured.
        follows: another arm whose mode is taken.
    """

    name: str
    label: str
    kind: str
    environment: str = "plain"
    use: str = ""
    modes: tuple[str, ...] = ("",)
    follows: str = ""
    is_main_only: bool = False


ARMS = (
    Arm("ours", "ours", "engine", "engine"),
    Arm("trl", "TRL at its best", "trl", modes=("padded", "grouped", "padding-free", "packed")),
    Arm("trl-default", "TRL as it runs", "trl", use="default", modes=("default",)),
    Arm(
        "trl-env",
        "TRL at its best, our environment",
        "trl",
        "engine",
        follows="trl",
        is_main_only=True,
    ),
    Arm(
        "trainer",
        "PEFT and Trainer, tuned",
        "trainer",
        modes=("padded", "grouped", "padding-free"),
        is_main_only=True,
    ),
    Arm("ours-plain", "ours, plain environment", "engine", is_main_only=True),
)


class Technique(NamedTuple):
    """Something that the engine does, and what stands in its place when it is taken out."""

    name: str
    instead: str


TECHNIQUES = {
    "products": Technique("oneDNN's products", "torch's own"),
    "head": Technique("label positions only", "all positions through head and last block"),
    "prefix": Technique("shared prefix", "computed for every example"),
    "packing": Technique("unpadded linear layers", "padded to the longest"),
    "tiles": Technique("tiled attention", "torch's fused one"),
    "blocks": Technique("own blocks", "transformers' forward, PEFT's layers, torch's products"),
    "recompute": Technique("kept activations", "computed again"),
    "budget": Technique("large micro-batches", "128 tokens"),
    "warm": Technique("resident model", "loaded anew, its time counted"),
}
"""By the names of benchmarks.training.ablations."""
