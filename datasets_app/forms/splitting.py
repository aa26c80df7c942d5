"""How a dataset is to be parted."""

from __future__ import annotations

import unicodedata
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from common.errors import Fault
from datasets_app.models import Dataset, DatasetVersion
from datasets_app.services.splitting import default_names, evaluation_count_of

PERCENT, COUNT = "percent", "count"
DEFAULT_PERCENT = 10
MAX_SEED = 2**32 - 1
_NAME_LENGTH = Dataset._meta.get_field("name").max_length


class _NumberInput(forms.TextInput):
    """Digits as a Japanese keyboard types them count as well."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        value = super().value_from_datadict(data, files, name)
        return unicodedata.normalize("NFKC", value) if isinstance(value, str) else value


class SplitForm(forms.Form):
    """The share of the evaluation part, the seed and two names."""

    amount = forms.IntegerField(
        label=gettext_lazy("Size of the evaluation dataset"),
        min_value=1,
        widget=_NumberInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    unit = forms.ChoiceField(
        label=gettext_lazy("Counted in"),
        choices=[(PERCENT, gettext_lazy("Percent")), (COUNT, gettext_lazy("Examples"))],
    )
    seed = forms.IntegerField(
        label=gettext_lazy("Seed"),
        min_value=0,
        max_value=MAX_SEED,
        help_text=gettext_lazy("The same seed always gives the same two parts."),
        widget=_NumberInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    training_name = forms.CharField(
        label=gettext_lazy("Name of the training dataset"), max_length=_NAME_LENGTH
    )
    evaluation_name = forms.CharField(
        label=gettext_lazy("Name of the evaluation dataset"), max_length=_NAME_LENGTH
    )

    def __init__(self, version: DatasetVersion, data: QueryDict | None = None) -> None:
        self._version = version
        training_name, evaluation_name = default_names(version.dataset)
        initial = {
            "amount": DEFAULT_PERCENT,
            "unit": PERCENT,
            "seed": 0,
            "training_name": training_name,
            "evaluation_name": evaluation_name,
        }
        super().__init__(data, initial=initial)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        amount, unit = cleaned.get("amount"), cleaned.get("unit")
        total = self._version.example_count
        if amount is not None and unit == PERCENT and amount >= 100:
            self.add_error(
                "amount", _("Choose less than 100 percent, so that both parts have some.")
            )
        elif amount is not None and unit == COUNT and amount >= total:
            sentence = ngettext(
                "There is %(count)d example. Choose fewer, so that both parts have some.",
                "There are %(count)d examples. Choose fewer, so that both parts have some.",
                total,
            )
            self.add_error("amount", sentence % {"count": total})
        return cleaned

    def arguments(self) -> dict[str, Any]:
        """What the service takes."""
        amount = self.cleaned_data["amount"]
        is_count = self.cleaned_data["unit"] == COUNT
        return {
            "evaluation_count": amount if is_count else evaluation_count_of(self._version, amount),
            "seed": self.cleaned_data["seed"],
            "training_name": self.cleaned_data["training_name"],
            "evaluation_name": self.cleaned_data["evaluation_name"],
        }

    def add_faults(self, faults: list[Fault]) -> None:
        """Say what is wrong at the field that a fault names, or above the form."""
        for fault in faults:
            self.add_error(fault.field if fault.field in self.fields else None, str(fault.message))
