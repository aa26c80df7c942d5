"""The form of a new training job, made from the parameters of engine.config: no range or text stands here twice."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, ngettext_lazy

from accounts.models import Cohort, User
from common.errors import Fault
from datasets_app.models import Dataset
from datasets_app.selectors import datasets_visible_to, latest_version
from engine.catalog import DEFAULT_BASE_MODEL
from engine.config import (
    LoraHyperparameters,
    TrainingHyperparameters,
)
from engine.presets import (
    DEFAULT_LORA_PRESET,
    DEFAULT_TRAINING_PRESET,
    LORA_PRESETS,
    TRAINING_PRESETS,
    LoraPreset,
    TrainingPreset,
)
from modelhub.models import BaseModel
from modelhub.selectors import trainable_base_models
from training.fields import parameter_field
from training.models import TrainingJob
from training.preflight.draft import Draft
from training.sample_prompts import MAX_SAMPLE_PROMPTS

LORA_PREFIX = "lora_config"
TRAINING_PREFIX = "training_config"
KINDS: dict[str, type[LoraHyperparameters] | type[TrainingHyperparameters]] = {
    LORA_PREFIX: LoraHyperparameters,
    TRAINING_PREFIX: TrainingHyperparameters,
}
PRESETS: dict[str, tuple[LoraPreset, ...] | tuple[TrainingPreset, ...]] = {
    LORA_PREFIX: LORA_PRESETS,
    TRAINING_PREFIX: TRAINING_PRESETS,
}
DEFAULT_PRESETS = {LORA_PREFIX: DEFAULT_LORA_PRESET, TRAINING_PREFIX: DEFAULT_TRAINING_PRESET}
PRESET_LABELS = {
    LORA_PREFIX: gettext_lazy("Size of the adapter"),
    TRAINING_PREFIX: gettext_lazy("Length of the training"),
}
OWN_SETTINGS = "own"
"""The preset that is none: values of an earlier job, or changed by hand."""

SIMPLE_FIELDS = ("training_config.learning_rate", "training_config.num_epochs", "lora_config.r")

EVALUATION_FIELDS = ("eval_dataset", "sample_prompts")


class DatasetChoice(forms.ModelChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        count = latest_version(obj).example_count
        return ngettext_lazy(
            "%(name)s (%(count)d example)", "%(name)s (%(count)d examples)", count
        ) % {
            "name": obj.name,
            "count": count,
        }


class TrainingJobForm(forms.Form):
    """Everything that a new job needs; `settings_of` gives what the service takes."""

    idempotency_key = forms.CharField(max_length=64, required=False, widget=forms.HiddenInput)
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=TrainingJob._meta.get_field("name").max_length,
        help_text=gettext_lazy("So that you find the job again."),
        error_messages={
            "required": gettext_lazy("Give the job a name, so that you find it again.")
        },
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    dataset = DatasetChoice(
        queryset=Dataset.objects.none(),
        label=gettext_lazy("Dataset"),
        help_text=gettext_lazy("What the adapter learns."),
        empty_label=gettext_lazy("Choose a dataset"),
        error_messages={
            "required": gettext_lazy("Choose the dataset that the adapter learns."),
            "invalid_choice": gettext_lazy(
                "This dataset is not there any more, or it is not yours. Choose another one."
            ),
        },
    )
    base_model = forms.ChoiceField(
        label=gettext_lazy("Base model"),
        help_text=gettext_lazy("The model that stays frozen while the adapter learns."),
        error_messages={
            "required": gettext_lazy("Choose the base model that is tuned."),
            "invalid_choice": gettext_lazy(
                "This base model is not there any more. Choose another one."
            ),
        },
    )

    eval_dataset = DatasetChoice(
        queryset=Dataset.objects.none(),
        required=False,
        label=gettext_lazy("Evaluation dataset"),
        help_text=gettext_lazy(
            "Its examples are measured on and never learned. Without one, the held-out share counts."
        ),
        empty_label=gettext_lazy("None"),
        error_messages={
            "invalid_choice": gettext_lazy(
                "This dataset is not there any more, or it is not yours. Choose another one."
            ),
        },
    )
    sample_prompts = forms.CharField(
        required=False,
        label=gettext_lazy("Sample questions"),
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    prediction = forms.CharField(
        required=False,
        label=gettext_lazy("Your guess"),
        help_text=gettext_lazy("What do you expect? It will stand beside the result."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    cohort_id = forms.ChoiceField(
        required=False,
        label=gettext_lazy("Class"),
        help_text=gettext_lazy("The class that this job counts in."),
        error_messages={
            "invalid_choice": gettext_lazy("You are not in this class. Choose one of your own.")
        },
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._offer_cohorts(user)
        self.use_required_attribute = False
        self.base_models = {model.name: model for model in trainable_base_models()}
        for name in ("dataset", "eval_dataset"):
            self.fields[name].queryset = datasets_visible_to(user)  # type: ignore[attr-defined]
        self.fields["sample_prompts"].help_text = ngettext(
            "One a line, %(count)d at most. The adapter answers it at each measurement: read how it changes.",
            "One a line, %(count)d at most. The adapter answers them at each measurement: read how it changes.",
            MAX_SAMPLE_PROMPTS,
        ) % {"count": MAX_SAMPLE_PROMPTS}
        self.fields["base_model"].choices = [(name, name) for name in self.base_models]  # type: ignore[attr-defined]
        for prefix, presets in PRESETS.items():
            self.fields[preset_field(prefix)] = forms.ChoiceField(
                label=PRESET_LABELS[prefix],
                choices=[(preset.name, gettext_lazy(preset.label)) for preset in presets]
                + [(OWN_SETTINGS, gettext_lazy("My own settings"))],
                widget=forms.RadioSelect,
                required=False,
            )
            for name, parameter in KINDS[prefix].parameters().items():
                self.fields[f"{prefix}.{name}"] = parameter_field(name, parameter)

    def _offer_cohorts(self, user: User) -> None:
        """A choice only where there is one: of a single class the service knows by itself."""
        cohorts = list(Cohort.objects.of(user))
        if len(cohorts) < 2:
            del self.fields["cohort_id"]
            return
        choices = [(str(cohort.pk), cohort.name) for cohort in cohorts]
        self.fields["cohort_id"].choices = [("", _("No class")), *choices]  # type: ignore[attr-defined]

    def settings_of(self, prefix: str) -> dict[str, Any]:
        """The clean values of one kind, by the parameters' own names."""
        values = self.cleaned_data
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name in KINDS[prefix].parameters()
            if (value := values.get(f"{prefix}.{name}")) is not None
        }

    def read_settings(self) -> tuple[LoraHyperparameters, TrainingHyperparameters] | None:
        """Both kinds of settings as they stand in the form, or None while one of them has a fault."""
        if not self.is_bound:
            values = [self._initial_settings(prefix) for prefix in KINDS]
        elif self.setting_faults():
            return None
        else:
            values = [self.settings_of(prefix) for prefix in KINDS]
        return LoraHyperparameters.from_mapping(values[0]), TrainingHyperparameters.from_mapping(
            values[1]
        )

    def setting_faults(self) -> list[tuple[str, str]]:
        """The label and the fault of each hyperparameter that can not be used."""
        return [
            (str(self.fields[name].label), str(sentence))
            for name, sentences in self.errors.items()
            if name.startswith((f"{LORA_PREFIX}.", f"{TRAINING_PREFIX}."))
            for sentence in sentences
        ]

    def chosen_base_model(self) -> BaseModel | None:
        source = self.cleaned_data if self.is_bound else self.initial
        return self.base_models.get(source.get("base_model", ""))

    def chosen_dataset(self, field: str = "dataset") -> Dataset | None:
        if self.is_bound:
            return self.cleaned_data.get(field)
        choices = self.fields[field].queryset  # type: ignore[attr-defined]
        return choices.filter(pk=self.initial.get(field)).first()

    def asked_prompts(self) -> list[str]:
        """The sample questions, one a line."""
        return self._prompts(self.cleaned_data)

    def draft(self) -> Draft | None:
        """What is about to be started, or None while something for it is missing or can not be used."""
        settings, dataset = self.read_settings(), self.chosen_dataset()
        base_model, measured = self.chosen_base_model(), self.chosen_dataset("eval_dataset")
        if settings is None or dataset is None or base_model is None:
            return None
        prompts = self._prompts(self.cleaned_data if self.is_bound else self.initial)
        return Draft(
            base_model=base_model,
            dataset_version=latest_version(dataset),
            lora=settings[0],
            training=settings[1],
            eval_dataset_version=latest_version(measured) if measured else None,
            prompt_count=sum(bool(prompt.strip()) for prompt in prompts),
        )

    @staticmethod
    def _prompts(values: Mapping[str, Any]) -> list[str]:
        return str(values.get("sample_prompts") or "").splitlines()

    def _initial_settings(self, prefix: str) -> dict[str, Any]:
        return {name: self.initial[f"{prefix}.{name}"] for name in KINDS[prefix].parameters()}

    def add_faults(self, faults: Iterable[Fault]) -> None:
        """Show the service's faults at the fields that they name."""
        own_names = {
            "model_name": "base_model",
            "dataset_id": "dataset",
            "eval_dataset_id": "eval_dataset",
        }
        for fault in faults:
            field = own_names.get(fault.field or "", fault.field)
            self.add_error(field if field in self.fields else None, str(fault.message))

    def preset_groups(self) -> list[tuple[str, BoundField, list[tuple[Any, str]]]]:
        """For each kind: its prefix, the radio buttons, and each button with its sentence."""
        groups = []
        for prefix, presets in PRESETS.items():
            helps = [_(preset.help) for preset in presets] + [
                _("The values below, as you set them.")
            ]
            field = self[preset_field(prefix)]
            groups.append((prefix, field, list(zip(field.subwidgets, helps, strict=True))))
        return groups

    def simple_fields(self) -> list[BoundField]:
        return [self[name] for name in SIMPLE_FIELDS]

    def advanced_groups(self) -> list[tuple[str, list[BoundField]]]:
        titles = {LORA_PREFIX: _("Adapter"), TRAINING_PREFIX: _("Training")}
        groups = [
            (
                titles[prefix],
                [
                    self[f"{prefix}.{name}"]
                    for name in kind.parameters()
                    if f"{prefix}.{name}" not in SIMPLE_FIELDS
                ],
            )
            for prefix, kind in KINDS.items()
        ]
        return [*groups, (_("Evaluation"), [self[name] for name in EVALUATION_FIELDS])]

    def has_advanced_faults(self) -> bool:
        return any(field.errors for _title, fields in self.advanced_groups() for field in fields)


class MinutesForm(forms.Form):
    """How long a job may take."""

    minutes = forms.FloatField(
        min_value=0.1,
        max_value=1440,
        error_messages=dict.fromkeys(
            ("required", "invalid", "min_value", "max_value"),
            gettext_lazy("Enter a number of minutes, up to 1440, which is a day."),
        ),
    )

    def __init__(self, data: Mapping[str, str]) -> None:
        typed = unicodedata.normalize("NFKC", data.get("minutes", ""))
        super().__init__({"minutes": typed.replace(",", ".")})


def preset_field(prefix: str) -> str:
    return f"{prefix}_preset"


def preset_values(prefix: str, preset_name: str) -> dict[str, Any]:
    """The form values of a preset; none for the person's own settings."""
    preset = next((preset for preset in PRESETS[prefix] if preset.name == preset_name), None)
    return _form_values(prefix, preset.settings.to_dict()) if preset else {}


def default_values() -> dict[str, Any]:
    """The form values of a first job."""
    values: dict[str, Any] = {"base_model": DEFAULT_BASE_MODEL}
    for prefix, name in DEFAULT_PRESETS.items():
        values |= {preset_field(prefix): name} | preset_values(prefix, name)
    return values


def job_values(job: TrainingJob) -> dict[str, Any]:
    """The form values that repeat a job; a preset is named where the settings are exactly its own."""
    values: dict[str, Any] = {
        "name": job.name,
        "base_model": job.base_model.name,
        "dataset": job.dataset_version.dataset_id,
        "eval_dataset": job.eval_dataset_version and job.eval_dataset_version.dataset_id,
        "sample_prompts": "\n".join(" ".join(prompt.split()) for prompt in job.sample_prompts),
        "cohort_id": str(job.cohort_id or ""),
    }
    for prefix, settings in ((LORA_PREFIX, job.lora), (TRAINING_PREFIX, job.training)):
        values |= _form_values(prefix, settings.to_dict())
        same = (preset.name for preset in PRESETS[prefix] if preset.settings == settings)
        values[preset_field(prefix)] = next(same, OWN_SETTINGS)
    return values


def _form_values(prefix: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{prefix}.{name}": value for name, value in settings.items()}
