"""Forms with which those who lead a class decide what a step counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _

from common.errors import InvalidInputError
from courses.selectors.scores import Score
from courses.services.grading import LONGEST_REASON, POINT_STEP, check_points, clean_reason

POINTS, EXEMPT, TAKE_BACK = "points", "exempt", "take_back"


class ReasonForm(forms.Form):
    """A decision has a reason."""

    reason = forms.CharField(
        label=_("Reason"),
        help_text=_("It is kept with your name."),
        widget=forms.Textarea(attrs={"rows": 3, "maxlength": LONGEST_REASON}),
        error_messages={"required": _("Give a reason: it is kept with the score.")},
    )

    def clean_reason(self) -> str:
        return _checked(lambda: clean_reason(self.cleaned_data["reason"]))


class GradeForm(ReasonForm):
    """Points, exempt, or take back what was decided.

    Args:
        max_points: nothing for a step that is only read; then it can not be given points.
        score: as it stands; what it makes impossible is not offered.
    """

    decision = forms.ChoiceField(
        label=_("Decision"),
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose what you decide.")},
    )
    points = forms.FloatField(label=_("Points"), required=False)
    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    field_order = ("decision", "points", "reason", "seen")

    def __init__(self, *args: Any, max_points: int, score: Score, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.max_points = max_points
        choices = [
            (POINTS, _("Set the points"), max_points > 0),
            (EXEMPT, _("Exempt the student from this step"), not score.is_exempt),
            (TAKE_BACK, _("Take the decision back: evidence counts again"), score.is_decided),
        ]
        offered = [(value, label) for value, label, is_offered in choices if is_offered]
        self.fields["decision"].choices = offered  # type: ignore[attr-defined]
        if max_points:
            limits = {"min": 0, "max": max_points, "step": POINT_STEP, "inputmode": "decimal"}
            self.fields["points"].widget.attrs |= limits
        else:
            del self.fields["points"]

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if values.get("decision") != POINTS or "points" in self.errors:
            return values
        if values.get("points") is None:
            self.add_error("points", _("Enter the points."))
            return values
        try:
            check_points(values["points"], self.max_points)
        except InvalidInputError as error:
            self.add_error("points", str(error.message))
        return values

    def clean_seen(self) -> UUID | None:
        text = self.cleaned_data["seen"]
        try:
            return UUID(text) if text else None
        except ValueError as error:
            raise forms.ValidationError(_("Reload the page, and decide again.")) from error


class ExemptForm(ReasonForm):
    """One step, for some students or for all who have not done it."""

    EVERYBODY, CHOSEN = "everybody", "chosen"

    who = forms.ChoiceField(
        label=_("Who"),
        widget=forms.RadioSelect,
        choices=[
            (EVERYBODY, _("Everybody who has not done this step")),
            (CHOSEN, _("Those chosen below")),
        ],
        initial=CHOSEN,
    )
    students = forms.MultipleChoiceField(
        label=_("Students"), required=False, widget=forms.CheckboxSelectMultiple
    )
    field_order = ("who", "students", "reason")

    def __init__(self, *args: Any, students: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["students"].choices = students  # type: ignore[attr-defined]
        self._all = [UUID(pk) for pk, _name in students]

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        is_missing = values.get("who") == self.CHOSEN and not values.get("students")
        if is_missing and "students" not in self.errors:
            self.add_error("students", _("Choose at least one student."))
        return values

    @property
    def enrolment_ids(self) -> list[UUID]:
        if self.cleaned_data["who"] == self.EVERYBODY:
            return self._all
        return [UUID(pk) for pk in self.cleaned_data["students"]]


class ImportForm(forms.Form):
    """A table of points."""

    file = forms.FileField(
        label=_("CSV file"),
        help_text=_("In UTF-8 or Shift_JIS, up to 1 MiB."),
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
        error_messages={
            "required": _("Choose a file."),
            "empty": _("This file is empty. Choose another one."),
        },
    )


def _checked(check: Callable[[], str]) -> str:
    try:
        return check()
    except InvalidInputError as error:
        raise forms.ValidationError(str(error.message)) from error
