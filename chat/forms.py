"""What people type into chat pages: which model to talk to, a message with its sampling, a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from chat.models import ChatSession, Reply
from chat.selectors import talkable_jobs
from chat.services import MAX_NAME_CHARACTERS, SESSION_SETTINGS
from common.errors import DomainError
from engine.config import SamplingParams
from modelhub.selectors import base_models
from training.forms import NumberField

OFFERED_JOBS = 50
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


class MessageForm(forms.Form):
    """The composer: a message, and how its answer is drawn. Text rules are the service's."""

    text = forms.CharField(
        label=gettext_lazy("Message"),
        required=False,
        strip=False,
        error_messages={
            "null_characters_not_allowed": gettext_lazy(
                "The message contains characters that are not text. Type it again."
            )
        },
        widget=forms.Textarea(
            attrs={
                "rows": 1,
                "placeholder": gettext_lazy("Write a message"),
                "autocomplete": "off",
                "class": "composer__text",
            }
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, parameter in SamplingParams.parameters().items():
            self.fields[name] = NumberField(
                name,
                parameter,
                label=gettext_lazy(parameter.label),
                help_text=gettext_lazy(parameter.help),
            )

    @classmethod
    def for_session(cls, session: ChatSession, **kwargs: Any) -> MessageForm:
        """Begins with the sampling of the last message, else of the session, else the defaults."""
        last = (
            Reply.objects.filter(message__session=session)
            .order_by("-created_at")
            .values_list("sampling", flat=True)
        )
        own = {
            name: value for name, value in session.settings.items() if name not in SESSION_SETTINGS
        }
        initial = SamplingParams().to_dict() | own | (last.first() or {})
        return cls(initial=initial, auto_id="composer_%s", **kwargs)

    @classmethod
    def of_request(cls, data: QueryDict) -> MessageForm:
        """A suggested question is sent as if it had been typed; a setting that is not given keeps its default."""
        defaults = {name: str(value) for name, value in SamplingParams().to_dict().items()}
        values = defaults | data.dict()
        values["text"] = data.get("suggestion") or data.get("text", "")
        return cls(values, auto_id="composer_%s")

    def sampling_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in SamplingParams.parameters()]

    def has_sampling_errors(self) -> bool:
        return any(field.errors for field in self.sampling_fields())

    def sampling(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in SamplingParams.parameters()}


class RenameForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Name"), max_length=MAX_NAME_CHARACTERS)


def add_domain_error(form: forms.Form, error: DomainError, *, names: dict[str, str]) -> None:
    """Show what a service refused at the fields it names; names maps the service's names to the form's."""
    placed = False
    for fault in error.faults:
        field = names.get(fault.field or "", (fault.field or "").rpartition(".")[2])
        if field in form.fields:
            form.add_error(field, str(fault.message))
            placed = True
    if not placed:
        form.add_error(None, str(error.message))
