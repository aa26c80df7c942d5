"""What a person can choose above the curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from training.curves.view import CurveView


@dataclass(frozen=True, slots=True)
class Choice:
    label: str
    query: str
    is_chosen: bool


def curve_choices(view: CurveView) -> dict[str, Any]:
    """The links that change the axes, and those to the projector's page and back."""
    x_labels = {"step": _("Step"), "epoch": _("Epoch"), "time": pgettext("axis", "Time")}
    y_labels = {"linear": pgettext("scale", "Linear"), "log": pgettext("scale", "Logarithmic")}
    return {
        "x_choices": [
            Choice(label, _address(view.changed(x=x)), view.x == x) for x, label in x_labels.items()
        ],
        "y_choices": [
            Choice(label, _address(view.changed(y=y)), view.y == y) for y, label in y_labels.items()
        ],
        "projector_query": _address(view.changed(is_projector=True)),
        "page_query": _address(view.changed(is_projector=False)),
        "chart_files": [
            ("loss", _("Loss")),
            ("learning-rate", _("Learning rate")),
            ("grad-norm", _("Gradient norm")),
            ("speed", _("Tokens per second")),
        ],
    }


def _address(view: CurveView) -> str:
    """An empty query would keep the one that the page has now."""
    return view.query or "?"
