"""The form on which an owner chooses who may see a dataset."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.forms.boundfield import BoundWidget
from django.utils.translation import gettext_lazy as _

from datasets_app.models import Dataset
from datasets_app.sharing.audience import Audience, AudienceChoice, audience_of


class SharingForm(forms.Form):
    audience = forms.ChoiceField(
        label=_("Who may see it"),
        widget=forms.RadioSelect,
        error_messages={
            "required": _("Choose who may see the dataset."),
            "invalid_choice": _("You can not share with these people. Choose one of the others."),
        },
    )

    def __init__(
        self, *args: Any, dataset: Dataset, choices: list[AudienceChoice], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._choices = choices
        field = self.fields["audience"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(choice.audience.value, choice.audience.title) for choice in choices]
        field.initial = audience_of(dataset).value

    def clean_audience(self) -> Audience:
        value = self.cleaned_data["audience"]
        return next(choice.audience for choice in self._choices if choice.audience.value == value)

    def cards(self) -> Iterator[tuple[BoundWidget, str]]:
        """Each radio button with the sentence that says what it means."""
        for option, choice in zip(self["audience"].subwidgets, self._choices, strict=True):
            yield option, choice.text
