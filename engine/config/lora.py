"""The shape of an adapter."""

from __future__ import annotations

from dataclasses import dataclass

from engine.config.modules import TARGET_MODULES
from engine.config.parameters import parameter
from engine.config.settings import Settings
from engine.marking import _


@dataclass(frozen=True, slots=True)
class LoraHyperparameters(Settings):
    """The shape of the adapter (Hu et al. 2021, arXiv 2106.09685, section 4.1)."""

    r: int = parameter(
        8,
        kind="integer",
        minimum=1,
        maximum=512,
        label=_("Rank"),
        help=_(
            "How much the adapter can change: a higher rank learns more detail and takes more memory."
        ),
    )
    alpha: float = parameter(
        16.0,
        kind="number",
        minimum=1,
        maximum=1024,
        label=_("Alpha"),
        help=_(
            "How strongly the adapter speaks: its output is scaled by alpha divided by rank. Twice the rank is usual."
        ),
    )
    dropout: float = parameter(
        0.0,
        kind="number",
        minimum=0,
        maximum=0.9,
        label=_("Dropout"),
        help=_(
            "The share of adapter inputs switched off at random while training; it slows learning by heart."
        ),
        advanced=True,
    )
    target_modules: tuple[str, ...] = parameter(
        TARGET_MODULES,
        kind="modules",
        label=_("Target layers"),
        help=_("Which layers get an adapter. All seven learn fastest; fewer make a smaller file."),
        advanced=True,
    )
    variant: str = parameter(
        "lora",
        kind="choice",
        choices=("lora", "rslora", "dora", "qlora"),
        label=_("Variant"),
        help=_(
            "LoRA is the standard. rsLoRA keeps high ranks stable; DoRA learns size and direction apart and is slower; "
            "QLoRA packs the base model into four bits and needs an NVIDIA GPU."
        ),
        advanced=True,
    )
    bias: str = parameter(
        "none",
        kind="choice",
        choices=("none", "lora_only", "all"),
        label=_("Biases"),
        help=_(
            "Which biases of the base model learn too: none, those of the target layers, or all. "
            "A model without biases, such as SmolLM2, has nothing to learn there."
        ),
        advanced=True,
    )
    rank_pattern: dict[str, int] = parameter(
        {},
        kind="pattern",
        minimum=1,
        maximum=512,
        is_integer=True,
        label=_("Rank by layer"),
        help=_("Another rank for single layers, for example: q_proj=16, down_proj=4."),
        advanced=True,
    )
    alpha_pattern: dict[str, float] = parameter(
        {},
        kind="pattern",
        minimum=1,
        maximum=1024,
        label=_("Alpha by layer"),
        help=_("Another alpha for single layers, for example: q_proj=32."),
        advanced=True,
    )

    def rank_of(self, module: str) -> int:
        """The rank of one target module."""
        return self.rank_pattern.get(module, self.r)
