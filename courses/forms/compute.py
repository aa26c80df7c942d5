"""What a class allows its students of the devices, as instructors set it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import ComputePolicy


class PolicyForm(forms.ModelForm):
    class Meta:
        model = ComputePolicy
        fields = (
            "weight",
            "max_running_jobs",
            "max_queued_jobs",
            "max_rank",
            "max_steps",
            "max_device_seconds",
        )
        help_texts = {
            "max_running_jobs": _("Of one student at the same time."),
            "max_queued_jobs": _("Of one student; empty for no limit."),
            "max_rank": _("Of a job; empty for no limit."),
            "max_steps": _("Of a job; empty for no limit."),
            "max_device_seconds": _("3600 is an hour; empty for no limit."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            if name != "weight":
                # Of nothing nobody could train; a class that shall not is paused.
                field.widget.attrs["min"] = 1

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        for name in ("max_rank", "max_steps", "max_device_seconds"):
            if values.get(name) == 0:
                self.add_error(
                    name,
                    _(
                        "With 0 nobody could train. Leave it empty for no limit, or pause the queue."
                    ),
                )
        return values
