"""What leaders set and ask on the page about the data of a class."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import Cohort


class RetentionForm(forms.ModelForm):
    class Meta:
        model = Cohort
        fields = ["retention_days"]


class EraseStudentForm(forms.Form):
    """Students of the class whom the reader may have erased."""

    student = forms.TypedChoiceField(
        label=_("Student"),
        coerce=int,
        error_messages={
            "required": _("Choose a student."),
            "invalid_choice": _(
                "This student can not be chosen any more: the account is to be erased already, "
                "or belongs to another class too. Load the page again."
            ),
        },
    )

    def __init__(self, choices: list[tuple[int, str]], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        student: Any = self.fields["student"]
        student.choices = [("", _("Choose a student")), *choices]
