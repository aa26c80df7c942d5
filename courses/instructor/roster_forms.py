"""What the pages of the roster ask for."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import cast

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from common.errors import InvalidInputError
from courses.selectors.class_time import read_moment
from courses.selectors.pinned import PinnedCourse
from courses.services.extending import REASON_CHARACTERS


class ExtensionForm(forms.Form):
    """Another due date for the students that are chosen."""

    course = forms.ChoiceField(label=gettext_lazy("Course"))
    due_at = forms.CharField(
        label=gettext_lazy("Due"),
        max_length=40,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        error_messages={"required": gettext_lazy("Choose a date and a time.")},
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=REASON_CHARACTERS,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("Those who lead the class see it; the student does not."),
        error_messages={
            "required": gettext_lazy("Write why, so that others who lead the class understand it.")
        },
    )

    def __init__(
        self, *args: object, courses: list[PinnedCourse], zone: tzinfo, **kwargs: object
    ) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        choices = cast(forms.ChoiceField, self.fields["course"])
        choices.choices = [(str(course.row.pk), course.title) for course in courses]
        self._zone = zone
        self.fields["due_at"].help_text = _("In the time zone of the class, %(zone)s.") % {
            "zone": zone
        }

    def clean_due_at(self) -> datetime:
        try:
            return read_moment(self.cleaned_data["due_at"], self._zone)
        except InvalidInputError as error:
            raise forms.ValidationError(str(error.message)) from error


class UploadForm(forms.Form):
    """A roster as a file."""

    file = forms.FileField(
        label=gettext_lazy("CSV file"),
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,text/csv"}),
        help_text=gettext_lazy(
            "At most 1 MiB and 10,000 people. Files of Excel in UTF-8 or Shift_JIS are fine."
        ),
        error_messages={"required": gettext_lazy("Choose a file.")},
    )
