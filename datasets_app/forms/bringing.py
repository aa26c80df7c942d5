"""The two ways in which a page takes a dataset: a file, or pasted text."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from common.errors import Fault
from datasets_app.models import Dataset

TYPE_CHOICES = [("", _("Find out from the data")), *Dataset.Type.choices]


class DatasetForm(forms.Form):
    """What every way asks for.

    Attributes:
        source: which way it is: file, paste or hub.
    """

    source = ""

    name = forms.CharField(label=_("Name"), max_length=120)
    description = forms.CharField(
        label=_("Description"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    type = forms.ChoiceField(label=_("Type"), required=False, choices=TYPE_CHOICES)

    def add_faults(self, faults: list[Fault]) -> list[Fault]:
        """Put faults of a field at that field; the rest, about the data, is given back."""
        remaining = []
        for fault in faults:
            if fault.line is None and fault.field in self.fields:
                self.add_error(fault.field, str(fault.message))
            else:
                remaining.append(fault)
        return remaining

    def labels(self) -> dict[str, Any]:
        """The cleaned labels, as the services take them."""
        return {
            "name": self.cleaned_data.get("name", ""),
            "description": self.cleaned_data.get("description", ""),
            "dataset_type": self.cleaned_data.get("type") or None,
        }


def columns_field() -> forms.BooleanField:
    return forms.BooleanField(
        label=_("Choose the columns myself"),
        required=False,
        help_text=_("Otherwise they are found by their names, or read as you chose the last time."),
    )


class UploadForm(DatasetForm):
    """A file for a new dataset; with is_version for the next version of one, which has its labels already."""

    source = "file"
    file = forms.FileField(
        label=_("File"),
        # An empty file gets the same sentence here as through the API.
        allow_empty_file=True,
        error_messages={"required": _("Choose a file with your examples.")},
        widget=forms.FileInput(
            attrs={
                "accept": ".json,.jsonl,.ndjson,.csv,.tsv,.txt,.parquet,.gz",
                "class": "input",
            }
        ),
    )

    asks_columns = columns_field()

    def __init__(self, *args: Any, is_version: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if is_version:
            for name in ("name", "description", "type"):
                del self.fields[name]
            return
        self.fields["name"].required = False
        self.fields["name"].help_text = _("Left empty, it takes the name of the file.")


class PasteForm(DatasetForm):
    source = "paste"
    text = forms.CharField(
        label=_("Examples"),
        # Stripped text would shift the numbers of its lines.
        strip=False,
        error_messages={"required": _("Paste your examples here.")},
        widget=forms.Textarea(
            attrs={"rows": 14, "spellcheck": "false", "class": "textarea dataset-text"}
        ),
    )
    asks_columns = columns_field()
