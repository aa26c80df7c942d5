"""Hyperparameters and their values as people read and type them."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy, pgettext_lazy

CHOICE_LABELS: dict[str, dict[str, str | Promise]] = {
    "variant": {"lora": "LoRA", "rslora": "rsLoRA", "dora": "DoRA", "qlora": "QLoRA"},
    "bias": {
        "none": pgettext_lazy("biases", "None"),
        "lora_only": gettext_lazy("Those of the target layers"),
        "all": pgettext_lazy("biases", "All"),
    },
    "overlong": {
        "keep_answer": gettext_lazy("Shorten the question"),
        "drop": gettext_lazy("Leave the example out"),
    },
    "optimizer": {"adamw": "AdamW", "adafactor": "Adafactor"},
    "lr_scheduler": {
        "constant": gettext_lazy("Constant"),
        "linear": gettext_lazy("Straight line"),
        "cosine": gettext_lazy("Soft curve"),
    },
    "kept_adapter": {
        "best": gettext_lazy("The best one"),
        "last": gettext_lazy("The last one"),
    },
    "gradient_checkpointing": {
        "auto": gettext_lazy("Auto"),
        "on": pgettext_lazy("gradient checkpointing", "Always"),
        "off": pgettext_lazy("gradient checkpointing", "Never"),
    },
}
"""By parameter: the same value may mean something else elsewhere."""


def pattern_text(pattern: Mapping[str, float | int]) -> str:
    """A pattern as people type it."""
    return ", ".join(f"{layer}={value:g}" for layer, value in pattern.items())


def choice_label(parameter_name: str, value: str) -> str | Promise:
    """A choice in words."""
    return CHOICE_LABELS.get(parameter_name, {}).get(value, value)


def read_number(value: Any) -> float | int | str:
    """The number in a text, or the text itself where there is none."""
    text = (
        unicodedata.normalize("NFKC", "" if value is None else str(value))
        .strip()
        .replace("\u2212", "-")
    )
    if "_" in text:
        return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
