"""What the preview asks for: base model, length and what becomes of longer examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from datasets_app.preview.ready_models import ReadyModel
from datasets_app.preview.tokens import PreviewSettings
from engine.config import TrainingHyperparameters

_PARAMETERS = TrainingHyperparameters.parameters()
_DEFAULTS = TrainingHyperparameters()
_LENGTH = _PARAMETERS["max_length"]
_OVERLONG = _PARAMETERS["overlong"]
_OVERLONG_LABELS: dict[str, Promise] = {
    "keep_answer": _("Shorten the question"),
    "drop": _("Leave the example out"),
}


class PreviewForm(forms.Form):
    """An address without a value means the default."""

    base_model = forms.ChoiceField(
        label=_("Base model"),
        error_messages={
            "invalid_choice": _(
                "There is no base model named “%(value)s” ready on this server. Choose one from the list."
            )
        },
    )
    max_length = forms.IntegerField(
        label=_(_LENGTH.label),
        help_text=_(_LENGTH.help),
        min_value=int(_LENGTH.minimum or 1),
        max_value=int(_LENGTH.maximum or 0) or None,
    )
    overlong = forms.ChoiceField(
        label=_(_OVERLONG.label),
        help_text=_(_OVERLONG.help),
        choices=[(value, _OVERLONG_LABELS.get(value, value)) for value in _OVERLONG.choices],
    )

    def __init__(self, asked: Mapping[str, str], models: list[ReadyModel]) -> None:
        defaults = {
            "base_model": models[0].name,
            "max_length": str(_DEFAULTS.max_length),
            "overlong": _DEFAULTS.overlong,
        }
        super().__init__({name: asked.get(name, value) for name, value in defaults.items()})
        self._models = {model.name: model for model in models}
        field: Any = self.fields["base_model"]
        field.choices = [(name, name) for name in self._models]
        bad_length = gettext("Enter a whole number of tokens from %(minimum)d to %(maximum)d.") % {
            "minimum": _LENGTH.minimum,
            "maximum": _LENGTH.maximum,
        }
        self.fields["max_length"].error_messages = dict.fromkeys(
            ("required", "invalid", "min_value", "max_value"), bad_length
        )

    def settings(self) -> PreviewSettings:
        """What a valid form asks for."""
        chosen = self.cleaned_data
        return PreviewSettings(
            self._models[chosen["base_model"]], chosen["max_length"], chosen["overlong"]
        )
