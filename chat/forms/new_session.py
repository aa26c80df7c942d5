"""Which model to talk to, and whether its base model answers beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from chat.selectors import talkable_jobs
from modelhub.selectors import base_models

OFFERED_JOBS = 200
MANY_MODELS = 8
"""More than these are looked for rather than looked through."""
TUNED, BASE = "job", "base"


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """One model that can be talked to."""

    value: str
    title: str
    text: str
    is_tuned: bool


class NewSessionForm(forms.Form):
    """Which model, and whether the base model answers beside it."""

    model = forms.ChoiceField(
        label=gettext_lazy("Model"),
        error_messages={
            "required": gettext_lazy("Choose a model to talk to."),
            "invalid_choice": gettext_lazy("This model is not there any more. Choose another one."),
        },
    )
    is_compared = forms.BooleanField(
        label=gettext_lazy("Show the base model beside it"),
        required=False,
        help_text=gettext_lazy(
            "Both answer each message with the same settings, so what you see is the training's effect."
        ),
    )
    system_prompt = forms.CharField(
        label=gettext_lazy("System prompt"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy(
            "Instructions the model gets before the conversation. "
            "Leave it empty to talk to the model as it was trained."
        ),
    )

    def __init__(
        self,
        owner: User,
        *args: Any,
        preselected_job: str = "",
        preselected_base_model: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        jobs = talkable_jobs(owner)
        offered = list(jobs[:OFFERED_JOBS])
        if preselected_job and preselected_job not in {str(job.pk) for job in offered}:
            offered = [*jobs.filter(pk=preselected_job), *offered]
        self.tuned_models = [
            ModelChoice(
                f"{TUNED}:{job.pk}",
                job.name,
                _("%(base_model)s, trained on %(dataset)s")
                % {"base_model": job.base_model.name, "dataset": job.dataset_version.dataset.name},
                is_tuned=True,
            )
            for job in offered
        ]
        self.base_models = [
            ModelChoice(
                f"{BASE}:{model.name}", model.name, model.get_source_display(), is_tuned=False
            )
            for model in base_models()
        ]
        offered_models = [*self.tuned_models, *self.base_models]
        choices = [(choice.value, choice.title) for choice in offered_models]
        cast(forms.ChoiceField, self.fields["model"]).choices = choices
        preferred = f"{TUNED}:{preselected_job}"
        if preselected_base_model:
            preferred = f"{BASE}:{preselected_base_model}"
        self.initial.setdefault("is_compared", True)
        self.initial.setdefault(
            "model", _first_of(preferred, [choice.value for choice in offered_models])
        )

    def has_many_models(self) -> bool:
        return len(self.tuned_models) + len(self.base_models) > MANY_MODELS

    def session_arguments(self) -> dict[str, Any]:
        """What create_session takes."""
        kind, _separator, name = self.cleaned_data["model"].partition(":")
        system_prompt = self.cleaned_data["system_prompt"]
        settings = {"system_prompt": system_prompt} if system_prompt.strip() else {}
        if kind == BASE:
            return {"model_name": name, "settings": settings}
        return {
            "job_id": name,
            "is_compared": self.cleaned_data["is_compared"],
            "settings": settings,
        }


def _first_of(preferred: str, values: list[str]) -> str:
    return preferred if preferred in values else next(iter(values), "")
