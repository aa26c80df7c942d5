"""Values of settings as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template

from training.setting_words import choice_label, pattern_text
from training.sweeping.axes import value_text

register = template.Library()

NOTHING = "–"


@register.filter
def setting_words(value: Any, parameter_name: str) -> str:
    """A hyperparameter's value in words; a text that is no hyperparameter stays as it is."""
    if isinstance(value, Mapping):
        return pattern_text(value) or NOTHING
    if isinstance(value, list | tuple):
        return ", ".join(value)
    if isinstance(value, float):
        return value_text(value)
    return str(choice_label(parameter_name, value)) or NOTHING


@register.filter
def absolute(value: float) -> float:
    return abs(value)
