"""Changes of settings as the words of a button."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from training.preflight.changes import Changes


def changes_words(changes: Changes) -> str:
    """The changes, one after another."""
    words = [_CHANGE_WORDS[name](value) for name, value in changes.items()]
    return ", ".join(words)


_CHANGE_WORDS: dict[str, Callable[[Any], str]] = {
    "training_config.learning_rate": lambda value: (
        _("learning rate %(value)s") % {"value": f"{value:g}"}
    ),
    "training_config.num_epochs": lambda value: (
        ngettext("%(count)d epoch", "%(count)d epochs", value) % {"count": value}
    ),
    "training_config.gradient_accumulation_steps": lambda value: _("no gradient accumulation"),
    "training_config.gradient_checkpointing": lambda value: _("compute each block twice"),
    "training_config.optimizer": lambda value: "Adafactor",
    "training_config.batch_size": lambda value: _("batch size %(value)d") % {"value": value},
    "training_config.warmup_ratio": lambda value: _("warm-up %(value)s") % {"value": f"{value:g}"},
    "training_config.eval_fraction": lambda value: (
        _("hold out %(value)d%%") % {"value": round(100 * value)}
        if value
        else _("hold nothing out")
    ),
    "training_config.early_stopping_patience": lambda value: (
        _("patience %(value)d") % {"value": value} if value else _("no early stopping")
    ),
    "training_config.eval_steps": lambda value: (
        _("measure every %(value)d steps") % {"value": value}
    ),
    "training_config.max_length": lambda value: _("maximum length %(value)d") % {"value": value},
    "training_config.overlong": lambda value: _("shorten the question instead"),
    "training_config.logging_steps": lambda value: _("a point at each step"),
    "lora_config.r": lambda value: _("rank %(value)d") % {"value": value},
    "lora_config.alpha": lambda value: _("alpha %(value)s") % {"value": f"{value:g}"},
    "lora_config.dropout": lambda value: _("no dropout"),
    "lora_config.target_modules": lambda value: _("attention layers only"),
}
