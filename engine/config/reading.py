"""Plain values checked against what a hyperparameter may be."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from engine.config.modules import MODULE_SETS, TARGET_MODULES
from engine.config.parameters import Parameter


class InvalidValueError(ValueError):
    """One hyperparameter is outside what it may be."""

    def __init__(self, name: str, reason: str, **params: Any) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason
        self.params = params


class InvalidConfigError(ValueError):
    """All faults of one configuration, told together."""

    def __init__(self, faults: list[InvalidValueError]) -> None:
        super().__init__("; ".join(str(fault) for fault in faults))
        self.faults = faults


def read_value(name: str, parameter: Parameter, value: Any) -> Any:
    """One value checked against its Parameter.

    Raises:
        InvalidValueError: reason is one of not_a_number, not_an_integer, out_of_range, not_a_choice, no_modules,
            not_a_pattern, not_strings, too_many, too_long.
    """
    if parameter.kind == "choice":
        if value not in parameter.choices:
            raise InvalidValueError(name, "not_a_choice", choices=list(parameter.choices))
        return value
    if parameter.kind == "modules":
        return _read_modules(name, value)
    if parameter.kind == "pattern":
        return _read_pattern(name, parameter, value)
    if parameter.kind == "strings":
        return _read_strings(name, parameter, value)
    return _read_number(name, parameter, value, is_integer=parameter.kind == "integer")


def _read_number(name: str, parameter: Parameter, value: Any, *, is_integer: bool) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidValueError(name, "not_a_number")
    # A whole number of any length is finite, and may be too long for a float.
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidValueError(name, "not_a_number")
    if is_integer and value != int(value):
        raise InvalidValueError(name, "not_an_integer")
    low, high = parameter.minimum, parameter.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        raise InvalidValueError(name, "out_of_range", minimum=low, maximum=high)
    return int(value) if is_integer else float(value)


def _read_modules(name: str, value: Any) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, Iterable):
        raise InvalidValueError(name, "not_a_choice", choices=[*TARGET_MODULES, *MODULE_SETS])
    chosen: set[str] = set()
    for item in names:
        if not isinstance(item, str) or item not in (*TARGET_MODULES, *MODULE_SETS):
            raise InvalidValueError(name, "not_a_choice", choices=[*TARGET_MODULES, *MODULE_SETS])
        chosen.update(MODULE_SETS.get(item, (item,)))
    if not chosen:
        raise InvalidValueError(name, "no_modules")
    return tuple(module for module in TARGET_MODULES if module in chosen)


def _read_pattern(name: str, parameter: Parameter, value: Any) -> dict[str, int | float]:
    if not isinstance(value, Mapping):
        raise InvalidValueError(name, "not_a_pattern", choices=list(TARGET_MODULES))
    if any(module not in TARGET_MODULES for module in value):
        raise InvalidValueError(name, "not_a_choice", choices=list(TARGET_MODULES))
    return {
        module: _read_number(name, parameter, value[module], is_integer=parameter.is_integer)
        for module in TARGET_MODULES
        if module in value
    }


def _read_strings(name: str, parameter: Parameter, value: Any) -> tuple[str, ...]:
    """Strings without the empty ones and without repetitions, in their order."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise InvalidValueError(name, "not_strings")
    kept = tuple(dict.fromkeys(text for text in texts if text))
    if len(kept) > parameter.most_items:
        raise InvalidValueError(name, "too_many", maximum=parameter.most_items)
    if any(len(text) > parameter.most_characters for text in kept):
        raise InvalidValueError(name, "too_long", maximum=parameter.most_characters)
    return kept
