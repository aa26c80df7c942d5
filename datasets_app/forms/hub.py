"""The form that fetches a dataset of the Hugging Face Hub."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from datasets_app.forms.bringing import DatasetForm
from datasets_app.models import HubRepository

MAX_ROWS = 100_000
DEFAULT_ROWS = 1000


class HubForm(DatasetForm):
    source = "hub"
    repository = forms.ModelChoiceField(
        label=_("Dataset on the Hub"),
        queryset=HubRepository.objects.all(),
        empty_label=None,
        help_text=_("Instructors keep the list of datasets that may be fetched."),
    )
    configuration = forms.CharField(
        label=_("Configuration"),
        required=False,
        max_length=100,
        help_text=_("Only where the page on the Hub names several."),
    )
    split = forms.CharField(label=_("Split"), max_length=100, initial="train")
    columns = forms.CharField(
        label=_("Columns"),
        required=False,
        max_length=500,
        help_text=_("Their names, parted by commas. Left empty, all columns are fetched."),
    )
    max_rows = forms.IntegerField(
        label=_("Rows at most"), min_value=1, max_value=MAX_ROWS, initial=DEFAULT_ROWS
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].required = False
        self.fields["name"].help_text = _("Left empty, it takes the name on the Hub.")

    def source_order(self) -> dict[str, Any]:
        """What to fetch, as fields of `engine.data.hub.HubOrder`."""
        cleaned = self.cleaned_data
        return {
            "repository": cleaned["repository"].repository,
            "revision": cleaned["repository"].revision,
            "configuration": cleaned["configuration"].strip(),
            "split": cleaned["split"].strip(),
            "columns": [name.strip() for name in cleaned["columns"].split(",") if name.strip()],
            "max_rows": cleaned["max_rows"],
        }
