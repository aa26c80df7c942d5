"""What a sweep varies: one or two hyperparameters with their values, checked, and the combinations of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from common.errors import Fault
from engine.config import (
    InvalidValueError,
    LoraHyperparameters,
    Parameter,
    TrainingHyperparameters,
    read_value,
)
from training.models import Sweep, TrainingJob
from training.sentences import fault_sentence
from training.setting_words import choice_label

MAX_AXES = 2
MAX_JOBS = 12
SWEPT_KINDS = ("integer", "number", "choice")
KINDS: dict[str, type[LoraHyperparameters] | type[TrainingHyperparameters]] = {
    "lora_config": LoraHyperparameters,
    "training_config": TrainingHyperparameters,
}

Combination = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class AxisOrder:
    """A setting and its values as they were given."""

    name: str
    values: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Axis:
    """A hyperparameter by its name with its prefix, as lora_config.r, and at least two legal values of it."""

    name: str
    values: tuple[Any, ...]

    @property
    def prefix(self) -> str:
        return self.name.partition(".")[0]

    @property
    def parameter_name(self) -> str:
        return self.name.partition(".")[2]

    @property
    def parameter(self) -> Parameter:
        return swept_parameters()[self.name]

    @property
    def label(self) -> str:
        return _(self.parameter.label)

    @property
    def is_number(self) -> bool:
        return self.parameter.kind != "choice"

    def value_of(self, job: TrainingJob) -> Any:
        config = job.lora_config if self.prefix == "lora_config" else job.training_config
        return config.get(self.parameter_name)


def swept_parameters() -> dict[str, Parameter]:
    """The hyperparameters that can be varied, by their names with prefix."""
    return {
        f"{prefix}.{name}": parameter
        for prefix, kind in KINDS.items()
        for name, parameter in kind.parameters().items()
        if parameter.kind in SWEPT_KINDS
    }


def axes_of(sweep: Sweep) -> list[Axis]:
    """The axes of a stored sweep; a setting that no longer exists is left out."""
    known = swept_parameters()
    return [
        Axis(entry["name"], tuple(entry["values"]))
        for entry in sweep.axes
        if entry["name"] in known
    ]


def combinations_of(axes: Sequence[Axis]) -> list[Combination]:
    """One value of each axis, in the order of the axes; the last axis turns quickest."""
    return list(product(*(axis.values for axis in axes)))


def value_text(value: Any) -> str:
    """A value as short as it can be written: 0.001, 1e-5, 16, cosine."""
    return f"{value:.6g}".replace("e-0", "e-") if isinstance(value, float) else str(value)


def listed(parts: Iterable[str]) -> str:
    """Settings one after another."""
    return pgettext("between settings", ", ").join(parts)


def combination_text(axes: Sequence[Axis], combination: Combination) -> str:
    """As it stands in a job's name: learning rate 0.001, rank 8."""
    return listed(
        f"{axis.label.lower()} {_in_words(axis, value)}"
        for axis, value in zip(axes, combination, strict=True)
    )


def _in_words(axis: Axis, value: Any) -> str:
    if isinstance(value, str):
        return str(choice_label(axis.parameter_name, value))
    return value_text(value)


def read_axes(orders: Sequence[AxisOrder], faults: list[Fault]) -> list[Axis]:
    """The axes of an order; what can not be used is added to the faults, by field."""
    if not orders:
        faults.append(Fault(_("Choose a setting to vary."), field="axes"))
    if len(orders) > MAX_AXES:
        faults.append(
            Fault(
                _("Vary one or two settings at a time: more can not be seen in one picture."),
                field="axes",
            )
        )
    axes = [
        axis
        for index, order in enumerate(orders[:MAX_AXES])
        if (axis := _read_axis(index, order, faults)) is not None
    ]
    _check_twice(axes, faults)
    _check_count([len(order.values) for order in orders[:MAX_AXES]], faults)
    return axes


def _read_axis(index: int, order: AxisOrder, faults: list[Fault]) -> Axis | None:
    parameter = swept_parameters().get(order.name)
    if parameter is None:
        sentence = _("There is no setting of this name that can be varied. Choose one of the list.")
        faults.append(Fault(sentence, field=f"axes.{index}.name"))
        return None
    found = list(_value_faults(order, parameter))
    if not found and len(order.values) < 2:
        found = [_("Give at least two values: a single one varies nothing.")]
    faults += [Fault(sentence, field=f"axes.{index}.values") for sentence in found]
    if found:
        return None
    values = [read_value(order.name, parameter, given) for given in _looked_at(order)]
    return Axis(order.name, tuple(values))


def _value_faults(order: AxisOrder, parameter: Parameter) -> Iterator[str]:
    """What is wrong with the values, each fault once; a list that is far too long is refused by its length alone."""
    seen: list[Any] = []
    for given in _looked_at(order):
        try:
            value = read_value(order.name, parameter, given)
        except InvalidValueError as fault:
            yield _("%(value)s can not be used. %(reason)s") % {
                "value": str(given)[:40],
                "reason": fault_sentence(fault),
            }
            continue
        if value in seen:
            yield _("%(value)s stands there twice. Name each value once.") % {
                "value": value_text(value)
            }
        seen.append(value)


def _looked_at(order: AxisOrder) -> Sequence[Any]:
    return order.values[: 2 * MAX_JOBS]


def _check_twice(axes: Sequence[Axis], faults: list[Fault]) -> None:
    if len(axes) == MAX_AXES and axes[0].name == axes[1].name:
        sentence = _("Both lists vary the same setting. Choose another one here, or none.")
        faults.append(Fault(sentence, field="axes.1.name"))


def _check_count(sizes: Iterable[int], faults: list[Fault]) -> None:
    count = math.prod(sizes)
    if count > MAX_JOBS:
        sentence = ngettext(
            "These values make %(count)d job, and a sweep may have %(limit)d. Take fewer values.",
            "These values make %(count)d jobs, and a sweep may have %(limit)d. Take fewer values.",
            count,
        ) % {"count": count, "limit": MAX_JOBS}
        faults.append(Fault(sentence, field="axes"))
