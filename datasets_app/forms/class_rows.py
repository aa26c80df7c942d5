"""The forms of class datasets: a new one, and a row for one."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import Cohort, User
from common.errors import Fault
from datasets_app.forms.bringing import DatasetForm
from datasets_app.models import Dataset
from datasets_app.sharing.class_records import build_record, stored_line

# First rows are checked while the person waits; more of them come as a file, in a later version.
LONGEST_ROWS = 500_000
LONGEST_TEXT = 60_000

_LABELS: dict[str, tuple[Promise, Promise]] = {
    Dataset.Type.INSTRUCTION: (_("Question or task"), _("Answer")),
    Dataset.Type.CHAT: (_("Question"), _("Answer")),
    Dataset.Type.COMPLETION: (_("Beginning"), _("Continuation")),
}


class TextArea(forms.Textarea):
    """A text of a row; browsers send line breaks as two characters, files have one."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        value = super().value_from_datadict(data, files, name)
        return value.replace("\r\n", "\n") if isinstance(value, str) else value


class RowForm(forms.Form):
    """Two texts, named after the type of the dataset."""

    question = forms.CharField(widget=TextArea(attrs={"rows": 3}), strip=False)
    answer = forms.CharField(widget=TextArea(attrs={"rows": 4}), strip=False)

    def __init__(self, *args: Any, dataset_type: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Of a continuation the space in front is a part; of an answer it is none.
        self._keeps_space = dataset_type == Dataset.Type.COMPLETION
        for name, label in zip(("question", "answer"), _LABELS[dataset_type], strict=True):
            self.fields[name].label = str(label)
        if self._keeps_space:
            self.fields["answer"].help_text = _(
                "In English it usually begins with a space, because it goes on right after the beginning."
            )

    def texts(self) -> dict[str, str]:
        """Question and answer, as the service takes them."""
        texts = {name: self.cleaned_data[name] for name in ("question", "answer")}
        if self._keeps_space:
            return texts
        return {name: text.strip() for name, text in texts.items()}

    def add_faults(self, faults: list[Fault]) -> None:
        for fault in faults:
            field = fault.field if fault.field in self.fields else None
            self.add_error(field, str(fault.message))


class ClassDatasetForm(DatasetForm):
    """A class dataset and its first rows: typed as two texts, or pasted."""

    # Sent twice, it makes one dataset.
    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)
    cohort = forms.ModelChoiceField(
        label=_("Cohort"),
        queryset=Cohort.objects.none(),
        empty_label=None,
        help_text=_("Its members see the dataset and add rows."),
    )
    question = forms.CharField(
        label=_("Question or beginning"),
        required=False,
        max_length=LONGEST_TEXT,
        widget=TextArea(attrs={"rows": 2}),
    )
    answer = forms.CharField(
        label=_("Answer or continuation"),
        required=False,
        max_length=LONGEST_TEXT,
        strip=False,
        widget=TextArea(attrs={"rows": 3}),
    )
    rows = forms.CharField(
        label=_("Rows as JSON lines"),
        required=False,
        max_length=LONGEST_ROWS,
        strip=False,
        help_text=_("One record on each line, in the shape of the type above."),
        widget=forms.Textarea(
            attrs={"rows": 6, "spellcheck": "false", "class": "textarea dataset-text"}
        ),
    )

    field_order = ["key", "name", "cohort", "type", "description", "question", "answer", "rows"]

    def __init__(self, *args: Any, leader: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cohort = self.fields["cohort"]
        assert isinstance(cohort, forms.ModelChoiceField)
        cohort.queryset = Cohort.objects.led_by(leader)
        kind = self.fields["type"]
        assert isinstance(kind, forms.ChoiceField)
        kind.required = True
        kind.choices = Dataset.Type.choices

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        question, answer = cleaned.get("question", ""), cleaned.get("answer", "")
        if question and not answer.strip():
            self.add_error("answer", _("This is empty. Write a text."))
        elif answer.strip() and not question:
            self.add_error("question", _("This is empty. Write a text."))
        elif not question and not cleaned.get("rows", "").strip() and "rows" not in self.errors:
            self.add_error(
                "question",
                _(
                    "A dataset needs at least one example. Write a question and its answer, or paste rows."
                ),
            )
        return cleaned

    def first_rows(self) -> str:
        """Everything that was given, as JSON lines; the lines that were pasted keep their numbers."""
        pasted: str = self.cleaned_data["rows"]
        question, answer = self.cleaned_data["question"], self.cleaned_data["answer"]
        if not question:
            return pasted
        kind = self.cleaned_data["type"]
        typed = stored_line(
            build_record(
                kind, question, answer if kind == Dataset.Type.COMPLETION else answer.strip()
            )
        )
        return f"{pasted.rstrip()}\n{typed}" if pasted.strip() else typed
