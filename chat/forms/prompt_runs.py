"""Which questions are put to which models."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from accounts.models import User
from chat.forms.model_choices import job_value, model_groups
from chat.forms.prompt_sets import dataset_choices
from chat.prompt_sets.finding import sets_of
from chat.prompt_sets.held_out import held_out_of
from chat.prompt_sets.sources import course_questions
from chat.services.prompt_runs import GREEDY, MAX_MODELS, RunOrder
from engine.config import SamplingParams
from training.fields import NumberField
from training.models import TrainingJob

OFFERED_SETTINGS = ("max_tokens", "temperature", "seed")
SET, COURSE, DATASET, HELD_OUT = "set", "course", "dataset", "held_out"
"""Kinds of questions, in front of their id."""


class RunForm(forms.Form):
    """Questions, models, and settings that are the same for all of them.

    Attributes:
        groups: the models by where they come from.
    """

    questions = forms.ChoiceField(
        label=gettext_lazy("Questions"),
        error_messages={
            "required": gettext_lazy("Choose the questions."),
            "invalid_choice": gettext_lazy(
                "These questions are not there any more. Choose other ones."
            ),
        },
    )
    models = forms.MultipleChoiceField(
        label=gettext_lazy("Models"),
        error_messages={
            "required": gettext_lazy("Choose at least one model."),
            "invalid_choice": gettext_lazy("A model is not there any more. Choose another one."),
        },
    )
    system_prompt = forms.CharField(
        label=gettext_lazy("System prompt"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy(
            "Instructions that each model gets before each question. "
            "Leave it empty to ask the models as they were trained."
        ),
    )

    def __init__(
        self,
        owner: User,
        *args: Any,
        job: TrainingJob | None = None,
        wanted: str = "",
        **kwargs: Any,
    ) -> None:
        """
        Args:
            job: whose adapter and base model are ticked at first, and whose held-out examples are offered.
            wanted: the questions that are chosen at first.
        """
        super().__init__(*args, **kwargs)
        questions = question_choices(owner, job)
        cast(forms.ChoiceField, self.fields["questions"]).choices = [*questions.items()]
        groups = model_groups(owner, wanted_job=str(job.pk) if job else "")
        self.groups = [group for group in groups if group.choices]
        offered = [choice for group in self.groups for choice in group.choices]
        cast(forms.MultipleChoiceField, self.fields["models"]).choices = [
            (choice.value, choice.title) for choice in offered
        ]
        for name in OFFERED_SETTINGS:
            parameter = SamplingParams.parameters()[name]
            self.fields[name] = NumberField(
                name,
                parameter,
                label=gettext_lazy(parameter.label),
                help_text=gettext_lazy(parameter.help),
                initial=GREEDY[name],
            )
        if wanted:
            self.initial.setdefault("questions", wanted)
        if job is not None:
            self.initial.setdefault("models", [job_value(job), job.base_model.name])

    def clean_models(self) -> list[str]:
        models: list[str] = self.cleaned_data["models"]
        if len(models) > MAX_MODELS:
            raise forms.ValidationError(
                _("Choose one to %(limit)d models."), params={"limit": MAX_MODELS}
            )
        return models

    def chosen_models(self) -> list[str]:
        """As they are ticked now."""
        return list(self["models"].value() or [])

    def setting_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in OFFERED_SETTINGS]

    def has_setting_errors(self) -> bool:
        return any(self[name].errors for name in (*OFFERED_SETTINGS, "system_prompt"))

    def order(self) -> RunOrder:
        kind, _separator, wanted = self.cleaned_data["questions"].partition(":")
        settings = {name: self.cleaned_data[name] for name in OFFERED_SETTINGS}
        if self.cleaned_data["system_prompt"].strip():
            settings["system_prompt"] = self.cleaned_data["system_prompt"]
        return RunOrder(
            models=self.cleaned_data["models"],
            set_id=wanted if kind == SET else None,
            course_id=wanted if kind == COURSE else None,
            dataset_id=wanted if kind == DATASET else None,
            held_out_job_id=wanted if kind == HELD_OUT else None,
            settings=settings,
        )


def question_choices(owner: User, job: TrainingJob | None) -> dict[str, list[tuple[str, str]]]:
    """Groups of what can be asked; the first entry is what one would choose."""
    held_out = []
    if job is not None and job.owner_id == owner.pk and held_out_of(job) is not None:
        title = _("Examples held out from “%(job)s”") % {"job": job.name}
        held_out = [(f"{HELD_OUT}:{job.pk}", title)]
    sets = [(f"{SET}:{found.pk}", found.name) for found in sets_of(owner).only("name")]
    courses = [
        (f"{COURSE}:{found.id}", found.title) for found in course_questions(get_language() or "en")
    ]
    datasets = [(f"{DATASET}:{value}", title) for value, title in dataset_choices(owner)]
    groups = {
        _("Held-out examples"): held_out,
        _("Your prompt sets"): sets,
        _("From the courses"): courses,
        _("Datasets"): datasets,
    }
    return {title: choices for title, choices in groups.items() if choices}
