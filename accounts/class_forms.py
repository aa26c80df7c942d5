"""What a class is: its name, its dates, and who may join."""

from __future__ import annotations

import hashlib
import json
import zoneinfo
from typing import Any

from django import forms
from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Cohort

FIELDS = [
    "name",
    "status",
    "language",
    "time_zone",
    "starts_on",
    "ends_on",
    "seats",
    "directory_group",
    "needs_approval",
]


class ClassForm(forms.ModelForm):
    """Of a new class, or of one that stands: then it knows whether somebody else changed it meanwhile."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = Cohort
        fields = FIELDS
        widgets = {
            "starts_on": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            "ends_on": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_new = self.instance._state.adding
        self.mark = "" if self.is_new else _mark(self.instance)
        self.fields["seen"].initial = self.mark
        languages = [("", gettext_lazy("That of the reader")), *settings.LANGUAGES]
        self.fields["language"].choices = languages  # type: ignore[attr-defined]
        self.fields["time_zone"].help_text = _("Such as Asia/Tokyo. Empty: %(name)s.") % {
            "name": settings.TIME_ZONE
        }
        if self.is_new:
            del self.fields["status"]
        if not (settings.OIDC and settings.OIDC.groups_claim):
            # Nobody could ever join by it; what stands in it is kept.
            del self.fields["directory_group"]

    def clean_name(self) -> str:
        name = " ".join(self.cleaned_data["name"].split())
        if not name:
            raise forms.ValidationError(_("Give the class a name."))
        return name

    def clean_time_zone(self) -> str:
        name: str = self.cleaned_data["time_zone"].strip()
        if name and name not in zoneinfo.available_timezones():
            raise forms.ValidationError(
                _(
                    "There is no time zone %(name)s. Write it as region and city, such as Asia/Tokyo."
                )
                % {"name": name}
            )
        return name

    def clean_ends_on(self) -> Any:
        starts, ends = self.cleaned_data.get("starts_on"), self.cleaned_data.get("ends_on")
        if starts and ends and ends < starts:
            raise forms.ValidationError(
                _("The last day is before the first one. Choose a later day.")
            )
        return ends

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.is_new and cleaned.get("seen") != self.mark:
            self.add_error(
                None,
                _(
                    "Somebody else has changed this class meanwhile, so nothing was saved. "
                    "Load the page again to see what it is now."
                ),
            )
        return cleaned


def _mark(cohort: Cohort) -> str:
    """The same text as long as nothing that the form shows has changed."""
    values = {name: getattr(cohort, name) for name in FIELDS}
    text = json.dumps(values, cls=DjangoJSONEncoder, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
