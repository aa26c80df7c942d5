"""Forms for the courses of a class: which one to add, and when it opens and is due."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from common.errors import InvalidInputError
from courses.models import Course

MOMENT_FORMAT = "%Y-%m-%dT%H:%M"


class MomentInput(forms.DateTimeInput):
    """A date and time as browsers let one choose it."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(format=MOMENT_FORMAT)


class AddCourseForm(forms.Form):
    course = forms.ChoiceField(
        label=_("Course"),
        error_messages={
            "required": _("Choose a course."),
            "invalid_choice": _("The class takes this course already, or it is not offered."),
        },
    )

    def __init__(self, *args: Any, courses: Iterable[tuple[Course, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["course"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(course.slug, title) for course, title in courses]


class CourseDatesForm(forms.Form):
    """Moments are read in the time zone that is active."""

    release_at = forms.DateTimeField(
        label=_("Opens"),
        required=False,
        widget=MomentInput,
        help_text=_("Empty: at once."),
        error_messages={"invalid": _("Enter a date and a time, such as 2026-12-01 09:00.")},
    )
    due_at = forms.DateTimeField(
        label=_("Due"),
        required=False,
        widget=MomentInput,
        help_text=_("Empty: never."),
        error_messages={"invalid": _("Enter a date and a time, such as 2026-12-01 09:00.")},
    )

    def add_faults(self, error: InvalidInputError) -> None:
        for fault in error.faults:
            self.add_error(fault.field, str(fault.message))
