"""What a reply should have been, and the dataset that shall learn it."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from chat.models import Reply
from chat.services.collecting import COLLECTING_TYPES
from datasets_app.models import Dataset

OFFERED_DATASETS = 100
NONE, NEW = "", "new"


class CorrectionForm(forms.Form):
    """The better answer, and what becomes of it. Text rules are the service's."""

    corrected_text = forms.CharField(
        label=gettext_lazy("What the model should have answered"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 6}),
        error_messages={
            "null_characters_not_allowed": gettext_lazy(
                "The answer contains characters that are not text. Type it again."
            )
        },
    )
    dataset = forms.ChoiceField(
        label=gettext_lazy("Add it to a dataset"),
        required=False,
        help_text=gettext_lazy(
            "The question and this answer become the last example of a new version. "
            "In a dataset of conversations, the earlier turns go along."
        ),
        error_messages={
            "invalid_choice": gettext_lazy(
                "This dataset is not there, or is not yours. Choose another one."
            )
        },
    )
    new_name = forms.CharField(label=gettext_lazy("Name of the new dataset"), required=False)
    new_type = forms.ChoiceField(
        label=gettext_lazy("What it holds"),
        required=False,
        choices=[
            (Dataset.Type.INSTRUCTION, gettext_lazy("Questions with answers")),
            (Dataset.Type.CHAT, gettext_lazy("Conversations")),
        ],
    )

    def __init__(self, owner: User, reply: Reply, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = Dataset.objects.owned_by(owner).filter(type__in=COLLECTING_TYPES)
        cast(forms.ChoiceField, self.fields["dataset"]).choices = [
            (NONE, _("Only keep it here")),
            (NEW, _("Begin a new dataset")),
            *(
                (str(dataset.pk), f"{dataset.name} ({dataset.get_type_display()})")
                for dataset in own[:OFFERED_DATASETS]
            ),
        ]
        self.initial.setdefault("corrected_text", reply.corrected_text or reply.text)
        self.initial.setdefault("new_name", _("Corrected answers"))

    def clean_new_name(self) -> str:
        name: str = self.cleaned_data["new_name"].strip()
        if self.data.get("dataset") == NEW and not name:
            raise ValidationError(_("Give the new dataset a name."))
        return name
