"""The form of a new sweep: settings chosen from a list, their values typed one after the other."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common.errors import Fault
from engine.config import Parameter
from training.models import Sweep, TrainingJob
from training.services.sweeping import SweepOrder
from training.setting_words import choice_label, read_number
from training.sweeping.axes import MAX_AXES, AxisOrder, swept_parameters, value_text
from training.templatetags.setting_tags import NOTHING, setting_words

NUMBER_SEPARATORS = re.compile(r"[,、;\s]+")
CHOICE_SEPARATORS = re.compile(r"[,、;]")
MAX_VALUES_CHARACTERS = 400
FIRST_AXIS = "training_config.learning_rate"
FIRST_FACTORS = (0.3, 1.0, 3.0)
TITLES = {"lora_config": gettext_lazy("Adapter"), "training_config": gettext_lazy("Training")}


class SweepForm(forms.Form):
    """What a sweep varies; `order` gives what the service takes."""

    idempotency_key = forms.CharField(max_length=64, required=False, widget=forms.HiddenInput)
    name = forms.CharField(
        label=gettext_lazy("Name"),
        required=False,
        max_length=Sweep._meta.get_field("name").max_length,
        help_text=gettext_lazy("Each job gets this name and its own values."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, source: TrainingJob, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.source = source
        self.use_required_attribute = False
        labels = {1: _("Vary this setting"), 2: _("And this one, if you like")}
        for number in range(1, MAX_AXES + 1):
            self.fields[f"axis_{number}"] = forms.ChoiceField(
                label=labels[number], required=False, choices=_choices(number)
            )
            self.fields[f"values_{number}"] = forms.CharField(
                label=_("Values"),
                required=False,
                max_length=MAX_VALUES_CHARACTERS,
                help_text=_("One after the other, with commas between them."),
                widget=forms.TextInput(
                    attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
                ),
            )

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        for number in range(1, MAX_AXES + 1):
            if values.get(f"values_{number}") and not values.get(f"axis_{number}"):
                self.add_error(
                    f"axis_{number}", _("Choose the setting that these values belong to.")
                )
        return values

    def used_axes(self) -> list[int]:
        return [
            number for number in range(1, MAX_AXES + 1) if self.cleaned_data.get(f"axis_{number}")
        ]

    def order(self) -> SweepOrder:
        values = self.cleaned_data
        return SweepOrder(
            name=values["name"],
            from_job_id=self.source.pk,
            axes=[
                AxisOrder(
                    values[f"axis_{number}"],
                    read_values(values[f"axis_{number}"], values[f"values_{number}"]),
                )
                for number in self.used_axes()
            ],
        )

    def add_faults(self, faults: Iterable[Fault]) -> None:
        """Show the service's faults at the fields that they name."""
        own_names = {"name": "name"}
        for index, number in enumerate(self.used_axes()):
            own_names |= {
                f"axes.{index}.name": f"axis_{number}",
                f"axes.{index}.values": f"values_{number}",
            }
        for fault in faults:
            self.add_error(own_names.get(fault.field or ""), str(fault.message))

    def axis_rows(self) -> list[dict[str, Any]]:
        """For each axis its two fields, and what is worth knowing of the setting that is chosen."""
        return [
            {
                "number": number,
                "axis": self[f"axis_{number}"],
                "values": self[f"values_{number}"],
                "hint": setting_hint(self.source, str(self[f"axis_{number}"].value() or "")),
            }
            for number in range(1, MAX_AXES + 1)
        ]


def first_values(source: TrainingJob) -> dict[str, Any]:
    """A sweep that is worth a try: the learning rate of the job, lower and higher."""
    parameter = swept_parameters()[FIRST_AXIS]
    rates = [source.training.learning_rate * factor for factor in FIRST_FACTORS]
    low, high = parameter.minimum or 0.0, parameter.maximum or rates[-1]
    rates = sorted({float(f"{min(high, max(low, rate)):.2g}") for rate in rates})
    return {
        "idempotency_key": str(uuid4()),
        "name": source.name,
        "axis_1": FIRST_AXIS,
        "values_1": ", ".join(value_text(rate) for rate in rates),
    }


def read_values(axis_name: str, text: str) -> list[Any]:
    """The values in a text as the service takes them; what can not be read stays text, and the service says so."""
    parameter = swept_parameters()[axis_name]
    normal = unicodedata.normalize("NFKC", text)
    if parameter.kind != "choice":
        return [read_number(part) for part in NUMBER_SEPARATORS.split(normal) if part]
    parts = [part.strip() for part in CHOICE_SEPARATORS.split(normal)]
    return [_read_choice(axis_name, parameter, part) for part in parts if part]


def _read_choice(axis_name: str, parameter: Parameter, text: str) -> str:
    """A choice by its own name or by the words that the pages show."""
    name = axis_name.partition(".")[2]
    for choice in parameter.choices:
        words = unicodedata.normalize("NFKC", str(choice_label(name, choice)))
        if text.casefold() in (choice.casefold(), words.casefold()):
            return choice
    return text


def setting_hint(source: TrainingJob, axis_name: str) -> dict[str, str] | None:
    """What the setting does, what it may be, and what the job has."""
    parameter = swept_parameters().get(axis_name)
    if parameter is None:
        return None
    prefix, _dot, name = axis_name.partition(".")
    settings = source.lora if prefix == "lora_config" else source.training
    return {
        "help": _(parameter.help),
        "limits": _limits(name, parameter),
        "own": setting_words(getattr(settings, name), name),
    }


def _limits(name: str, parameter: Parameter) -> str:
    if parameter.kind == "choice":
        return ", ".join(_choice_words(name, choice) for choice in parameter.choices)
    return _("%(minimum)s to %(maximum)s") % {
        "minimum": _limit(parameter.minimum),
        "maximum": _limit(parameter.maximum),
    }


def _limit(value: float | None) -> str:
    """Whole limits in full: the largest seed has ten digits."""
    if value is None:
        return NOTHING
    return str(int(value)) if value == int(value) else value_text(float(value))


def _choice_words(name: str, choice: str) -> str:
    """A choice as the pages show it, with its own name where that is another word."""
    words = str(choice_label(name, choice))
    return words if words.casefold() == choice.casefold() else f"{words} ({choice})"


def _choices(number: int) -> list[Any]:
    """The settings in two groups, those of the simple form first."""
    none = (
        ("", gettext_lazy("Choose a setting"))
        if number == 1
        else ("", gettext_lazy("No second setting"))
    )
    groups: dict[str, list[tuple[str, str | Promise]]] = {prefix: [] for prefix in TITLES}
    ordered = sorted(swept_parameters().items(), key=lambda entry: entry[1].advanced)
    for axis_name, parameter in ordered:
        groups[axis_name.partition(".")[0]].append((axis_name, gettext_lazy(parameter.label)))
    return [none, *((TITLES[prefix], groups[prefix]) for prefix in reversed(TITLES))]
