"""The form on which a person says which column is what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from datasets_app.intake.mapping import (
    OPTIONAL_PARTS,
    REQUIRED_PARTS,
    SHAPES,
    ColumnMapping,
    Shape,
)
from datasets_app.intake.outcome import Outcome

SHAPE_LABELS: dict[Shape, str | Promise] = {
    "instruction": gettext_lazy("A question and its answer"),
    "chat": gettext_lazy("A conversation"),
    "completion": gettext_lazy("A beginning and its continuation"),
    "text": gettext_lazy("A plain text"),
}
PART_LABELS: dict[str, str | Promise] = {
    "instruction": gettext_lazy("Question"),
    "input": gettext_lazy("Addition to the question"),
    "output": gettext_lazy("Answer"),
    "system": gettext_lazy("System prompt"),
    "history": gettext_lazy("Earlier turns"),
    "messages": gettext_lazy("List of messages"),
    "prompt": gettext_lazy("Beginning"),
    "completion": gettext_lazy("Continuation"),
    "text": gettext_lazy("Text"),
}


@dataclass(frozen=True, slots=True)
class ShapeFields:
    """One shape of the form and the bound fields of its parts."""

    shape: Shape
    label: str | Promise
    is_chosen: bool
    fields: list[forms.BoundField]


class MappingForm(forms.Form):
    """A shape, and for each of its parts a column.

    Args:
        outcome: of the last check: its columns can be chosen, its mapping stands first.
    """

    shape = forms.ChoiceField(
        label=gettext_lazy("What is a row?"), choices=list(SHAPE_LABELS.items())
    )

    def __init__(self, data: Any = None, *, outcome: Outcome) -> None:
        super().__init__(data)
        self.columns = [column for column in outcome.columns if column]
        suggestion = outcome.mapping or _guess(self.columns)
        self.fields["shape"].initial = suggestion.shape
        for shape in SHAPES:
            for part in (*REQUIRED_PARTS[shape], *OPTIONAL_PARTS[shape]):
                chosen = suggestion.columns.get(part, "") if suggestion.shape == shape else ""
                self.fields[f"{shape}-{part}"] = forms.ChoiceField(
                    label=str(PART_LABELS[part]),
                    required=False,
                    initial=chosen,
                    choices=[("", _("(none)")), *((name, name) for name in self.columns)],
                )

    def by_shape(self) -> list[ShapeFields]:
        """The fields in the order of the page."""
        chosen = self["shape"].value()
        return [
            ShapeFields(
                shape,
                SHAPE_LABELS[shape],
                shape == chosen,
                [
                    self[f"{shape}-{part}"]
                    for part in (*REQUIRED_PARTS[shape], *OPTIONAL_PARTS[shape])
                ],
            )
            for shape in SHAPES
        ]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        shape: Shape | None = cleaned.get("shape")
        if shape:
            for part in REQUIRED_PARTS[shape]:
                name = f"{shape}-{part}"
                if name not in self.errors and not cleaned.get(name):
                    self.add_error(name, _("Choose the column that holds this."))
            chosen = [value for value in self._chosen(cleaned, shape).values() if value]
            if len(set(chosen)) < len(chosen):
                self.add_error("shape", _("One column is chosen twice. Each part needs its own."))
        return cleaned

    def mapping(self) -> ColumnMapping:
        """What was chosen."""
        shape: Shape = self.cleaned_data["shape"]
        chosen = self._chosen(self.cleaned_data, shape)
        return ColumnMapping(shape, {part: column for part, column in chosen.items() if column})

    @staticmethod
    def _chosen(cleaned: dict[str, Any], shape: Shape) -> dict[str, str]:
        parts = (*REQUIRED_PARTS[shape], *OPTIONAL_PARTS[shape])
        return {part: cleaned.get(f"{shape}-{part}", "") for part in parts}


def _guess(columns: list[str]) -> ColumnMapping:
    """Two columns are mostly a question and its answer; one is text."""
    if len(columns) == 1:
        return ColumnMapping("text", {"text": columns[0]})
    return ColumnMapping("instruction", dict(zip(("instruction", "output"), columns, strict=False)))
