"""Which model to talk to, or which models to compare."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from chat.forms.model_choices import ModelChoice, model_groups
from chat.services.opening import JOB_PREFIX, MAX_COMPARED, MIN_COMPARED

MANY_MODELS = 8
"""More than these are looked for rather than looked through."""
GONE = gettext_lazy("This model is not there any more. Choose another one.")


class _SessionForm(forms.Form):
    """What both ways to begin a chat have in common: the models to choose from, and the system prompt."""

    choice_field: ClassVar[str]
    input_type: ClassVar[str]

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
        self.own_group, *self.other_groups = model_groups(owner, wanted_job=preselected_job)
        field = cast(forms.ChoiceField, self.fields[self.choice_field])
        field.choices = [(choice.value, choice.title) for choice in self.offered()]
        wanted = preselected_base_model or (preselected_job and f"{JOB_PREFIX}{preselected_job}")
        self.initial.setdefault(self.choice_field, self.preselection(wanted))

    def preselection(self, wanted: str) -> Any:
        """What is chosen at first, given the model that the address names."""
        raise NotImplementedError

    def offered(self) -> list[ModelChoice]:
        groups = [self.own_group, *self.other_groups]
        return [choice for group in groups for choice in group.choices]

    def has_many_models(self) -> bool:
        return len(self.offered()) > MANY_MODELS

    def choice(self) -> forms.BoundField:
        return self[self.choice_field]

    def chosen(self) -> list[str]:
        """The values that are marked on the page."""
        value = self.choice().value()
        return list(value) if isinstance(value, list | tuple) else [value]

    def settings(self) -> dict[str, Any]:
        system_prompt = self.cleaned_data["system_prompt"]
        return {"system_prompt": system_prompt} if system_prompt.strip() else {}


class NewSessionForm(_SessionForm):
    """One model, and whether the base model answers beside it."""

    choice_field = "model"
    input_type = "radio"

    model = forms.ChoiceField(
        label=gettext_lazy("Model"),
        error_messages={
            "required": gettext_lazy("Choose a model to talk to."),
            "invalid_choice": GONE,
        },
    )
    is_compared = forms.BooleanField(
        label=gettext_lazy("Show the base model beside it"),
        required=False,
        initial=True,
        help_text=gettext_lazy(
            "Both answer each message with the same settings, so what you see is the training's effect."
        ),
    )

    def preselection(self, wanted: str) -> str:
        values = [choice.value for choice in self.offered()]
        return wanted if wanted in values else next(iter(values), "")

    def session_arguments(self) -> dict[str, Any]:
        """What create_session takes."""
        name = self.cleaned_data["model"]
        if not name.startswith(JOB_PREFIX):
            return {"model_name": name, "settings": self.settings()}
        return {
            "job_id": name.removeprefix(JOB_PREFIX),
            "is_compared": self.cleaned_data["is_compared"],
            "settings": self.settings(),
        }


class ComparisonForm(_SessionForm):
    """Several models of any kind, and whether their names are hidden at first."""

    choice_field = "models"
    input_type = "checkbox"
    most = MAX_COMPARED

    models = forms.MultipleChoiceField(
        label=gettext_lazy("Models to compare"),
        required=False,
        error_messages={"invalid_choice": GONE, "invalid_list": GONE},
    )
    is_blind = forms.BooleanField(
        label=gettext_lazy("Hide the names until I have voted"),
        required=False,
        help_text=gettext_lazy(
            "The models come in a random order as Model A, B and so on. "
            "You judge the answers alone, then reveal which model was which."
        ),
    )

    def preselection(self, wanted: str) -> list[str]:
        return [wanted] if wanted in {choice.value for choice in self.offered()} else []

    def clean_models(self) -> list[str]:
        names: list[str] = self.cleaned_data["models"]
        if len(names) < MIN_COMPARED:
            raise ValidationError(
                _("Choose at least %(count)d models to compare.") % {"count": MIN_COMPARED}
            )
        return names

    def session_arguments(self) -> dict[str, Any]:
        """What create_session takes."""
        return {
            "models": self.cleaned_data["models"],
            "is_blind": self.cleaned_data["is_blind"],
            "settings": self.settings(),
        }
