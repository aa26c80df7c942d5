"""Form fields made from the parameters of engine.config: label, help and range are read there."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy

from engine.config import InvalidValueError, LoraHyperparameters, Parameter, read_value
from training.sentences import fault_sentence
from training.setting_words import choice_label, pattern_text, read_number

PAIR_SEPARATOR = re.compile("[,、]")


class NumberField(forms.Field):
    """A number typed by a person: full-width digits are fine, its range comes from the parameter."""

    def __init__(self, parameter_name: str, parameter: Parameter, **kwargs: Any) -> None:
        self.parameter_name = parameter_name
        self.parameter = parameter
        is_integer = parameter.kind == "integer"
        limits = {"min": parameter.minimum, "max": parameter.maximum}
        attributes = {name: f"{value:.15g}" for name, value in limits.items() if value is not None}
        attributes["step"] = "1" if is_integer else "any"
        super().__init__(widget=forms.NumberInput(attrs=attributes), **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return f"{value:g}" if isinstance(value, float) else value

    def clean(self, value: Any) -> Any:
        try:
            return read_value(self.parameter_name, self.parameter, read_number(value))
        except InvalidValueError as fault:
            raise ValidationError(fault_sentence(fault), code=fault.reason) from fault


class ModulesField(forms.MultipleChoiceField):
    """The target layers."""

    def __init__(self, parameter_name: str, parameter: Parameter, **kwargs: Any) -> None:
        self.parameter_name = parameter_name
        self.parameter = parameter
        choices = [(name, name) for name in LoraHyperparameters().target_modules]
        super().__init__(choices=choices, widget=forms.CheckboxSelectMultiple, **kwargs)

    def clean(self, value: Any) -> Any:
        try:
            return read_value(self.parameter_name, self.parameter, value or [])
        except InvalidValueError as fault:
            raise ValidationError(fault_sentence(fault), code=fault.reason) from fault


class PatternField(forms.Field):
    """Values of single layers, typed as `q_proj=16, down_proj=4`; full-width characters are fine."""

    def __init__(self, parameter_name: str, parameter: Parameter, **kwargs: Any) -> None:
        self.parameter_name = parameter_name
        self.parameter = parameter
        attributes = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        super().__init__(widget=forms.TextInput(attrs=attributes), required=False, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return pattern_text(value) if isinstance(value, Mapping) else value

    def clean(self, value: Any) -> Any:
        try:
            pattern = value if isinstance(value, Mapping) else self._read_pairs(value or "")
            return read_value(self.parameter_name, self.parameter, pattern)
        except InvalidValueError as fault:
            raise ValidationError(fault_sentence(fault), code=fault.reason) from fault

    def _read_pairs(self, text: str) -> dict[str, float | int | str]:
        pattern: dict[str, float | int | str] = {}
        for pair in PAIR_SEPARATOR.split(unicodedata.normalize("NFKC", text)):
            if not pair.strip():
                continue
            layer, equals, number = (part.strip() for part in pair.partition("="))
            if not (layer and equals and number):
                raise InvalidValueError(self.parameter_name, "not_a_pattern")
            if layer in pattern:
                raise InvalidValueError(self.parameter_name, "layer_twice")
            pattern[layer] = read_number(number)
        return pattern


def parameter_field(name: str, parameter: Parameter) -> forms.Field:
    words: dict[str, Any] = {
        "label": gettext_lazy(parameter.label),
        "help_text": gettext_lazy(parameter.help),
    }
    if parameter.kind == "modules":
        return ModulesField(name, parameter, **words)
    if parameter.kind == "choice":
        choices = [(value, choice_label(name, value)) for value in parameter.choices]
        return forms.ChoiceField(choices=choices, **words)
    if parameter.kind == "pattern":
        return PatternField(name, parameter, **words)
    return NumberField(name, parameter, **words)
