"""A set of questions as a page takes it: typed, as a file, out of a dataset, and one question at a time."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from chat.prompt_sets.items import Item
from chat.prompt_sets.reading import ANSWERED_TYPES, read_csv, read_lines, read_version
from chat.services.texts import MAX_NAME_CHARACTERS
from datasets_app.selectors import datasets_visible_to, get_dataset, latest_version

OFFERED_DATASETS = 200
NOT_TEXT = gettext_lazy("It contains characters that are not text. Type it again.")


class NameForm(forms.Form):
    """What every set has."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=MAX_NAME_CHARACTERS,
        error_messages={"required": gettext_lazy("Give the set a name.")},
    )


class TypedForm(NameForm):
    """Questions line by line."""

    text = forms.CharField(
        label=gettext_lazy("Questions"),
        # Stripped text would shift the numbers of its lines.
        strip=False,
        widget=forms.Textarea(attrs={"rows": 10, "autocomplete": "off"}),
        help_text=gettext_lazy(
            "One question a line. To give the answer you hope for as well, paste two columns of a spreadsheet, "
            "or write a tab and the answer behind the question. You can change each one later."
        ),
        error_messages={
            "required": gettext_lazy("Write at least one question."),
            "null_characters_not_allowed": NOT_TEXT,
        },
    )

    def items(self, _owner: User) -> list[Item]:
        return read_lines(self.cleaned_data["text"])


class FileForm(NameForm):
    """Questions as a CSV file."""

    file = forms.FileField(
        label=gettext_lazy("CSV file"),
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,text/csv", "class": "input"}),
        help_text=gettext_lazy(
            "The first line names the columns: prompt and reference, or 質問 and 答え. "
            "Files of Excel in UTF-8 or Shift_JIS are fine."
        ),
        error_messages={"required": gettext_lazy("Choose a file with your questions.")},
    )

    def items(self, _owner: User) -> list[Item]:
        return read_csv(self.cleaned_data["file"])


class DatasetForm(NameForm):
    """The questions of a dataset, with its answers as those hoped for."""

    dataset_id = forms.ChoiceField(
        label=gettext_lazy("Dataset"),
        help_text=gettext_lazy(
            "Its first 200 examples of one question and one answer are copied. Take one that the models did not "
            "train on: whoever learned the answers by heart would look better than they are."
        ),
        error_messages={
            "required": gettext_lazy("Choose a dataset."),
            "invalid_choice": gettext_lazy(
                "This dataset is not there any more. Choose another one."
            ),
        },
    )

    def __init__(self, *args: Any, owner: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast(forms.ChoiceField, self.fields["dataset_id"]).choices = dataset_choices(owner)

    def items(self, owner: User) -> list[Item]:
        dataset = get_dataset(owner, self.cleaned_data["dataset_id"])
        return read_version(latest_version(dataset))


class ItemForm(forms.Form):
    """One question. Text rules are the service's."""

    seen = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)
    prompt = forms.CharField(
        label=gettext_lazy("Question"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 2, "autocomplete": "off"}),
        error_messages={"null_characters_not_allowed": NOT_TEXT},
    )
    reference = forms.CharField(
        label=gettext_lazy("Answer you hope for (optional)"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 2, "autocomplete": "off"}),
        error_messages={"null_characters_not_allowed": NOT_TEXT},
    )

    def values(self) -> dict[str, str]:
        return {name: self.cleaned_data[name] for name in ("prompt", "reference")}


SetForm = TypedForm | FileForm | DatasetForm


WAYS = ("typed", "file", "dataset")
"""To bring questions, as addresses name them."""


def form_of(way: str, owner: User, *args: Any) -> SetForm:
    """The form of a way; with the posted data and files, if there are any."""
    if way == "file":
        return FileForm(*args)
    if way == "dataset":
        return DatasetForm(*args, owner=owner)
    return TypedForm(*args)


def dataset_choices(owner: User) -> list[tuple[str, str]]:
    """Datasets with answers that the person may read, the newest first."""
    rows = datasets_visible_to(owner).filter(type__in=ANSWERED_TYPES)[:OFFERED_DATASETS]
    return [
        (
            str(dataset.pk),
            _("%(name)s, version %(number)d")
            % {"name": dataset.name, "number": dataset.latest.number},
        )
        for dataset in rows
    ]
