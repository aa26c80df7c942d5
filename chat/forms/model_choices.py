"""The models that a person may choose for a chat, in groups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from accounts.models import User
from chat.selectors import SharedJob, shared_jobs, talkable_jobs
from chat.server_sentences import remote_sentence
from chat.services.opening import JOB_PREFIX
from modelhub.models import BaseModel
from modelhub.selectors import base_models
from modelhub.trouble import trouble_sentence
from training.models import TrainingJob

OFFERED_JOBS = 200
Source = BaseModel.Source


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """One model that can be talked to; its value is the name that services take."""

    value: str
    title: str
    text: str
    is_tuned: bool

    @property
    def kind(self) -> str:
        return "tuned" if self.is_tuned else "base"


@dataclass(frozen=True, slots=True)
class ModelGroup:
    """Models of one kind; note says what holds for all of them."""

    title: str
    choices: list[ModelChoice]
    note: str = ""


def job_value(job: TrainingJob) -> str:
    return f"{JOB_PREFIX}{job.pk}"


def model_groups(user: User, *, wanted_job: str = "") -> list[ModelGroup]:
    """Every group that has a model; the person's own tuned models first, even where there is none.

    Args:
        wanted_job: a job's id, offered even where it is older than those that are.
    """
    bases = base_models()
    local = [model for model in bases if model.source not in BaseModel.REMOTE]
    groups = [
        _shared_group(user),
        _base_group(_("Base models"), local),
        _base_group("Ollama", [model for model in bases if model.source == Source.OLLAMA]),
        _base_group(_("Chat servers"), [model for model in bases if model.source == Source.SERVER]),
    ]
    return [_own_group(user, wanted_job), *(group for group in groups if group.choices)]


def _own_group(user: User, wanted_job: str) -> ModelGroup:
    own = talkable_jobs(user).filter(owner=user)
    jobs = list(own[:OFFERED_JOBS])
    if wanted_job and wanted_job not in {str(job.pk) for job in jobs}:
        jobs = [*own.filter(pk=wanted_job), *jobs]
    note = _tuned_note(jobs)
    return ModelGroup(_("Your tuned models"), [_own_choice(job) for job in jobs], note)


def _own_choice(job: TrainingJob) -> ModelChoice:
    text = _("%(base_model)s, trained on %(dataset)s") % {
        "base_model": job.base_model.name,
        "dataset": job.dataset_version.dataset.name,
    }
    return ModelChoice(job_value(job), job.name, text, is_tuned=True)


def _shared_group(user: User) -> ModelGroup:
    shared = shared_jobs(user)
    note = _tuned_note(entry.job for entry in shared)
    return ModelGroup(
        _("Shared in your classes"), [_shared_choice(entry) for entry in shared], note
    )


def _shared_choice(shared: SharedJob) -> ModelChoice:
    text = _("%(base_model)s, tuned by %(person)s · %(classes)s") % {
        "base_model": shared.job.base_model.name,
        "person": shared.owner_name,
        "classes": ", ".join(shared.cohort_names),
    }
    return ModelChoice(job_value(shared.job), shared.job.name, text, is_tuned=True)


def _base_group(title: str, models: list[BaseModel]) -> ModelGroup:
    choices = [_base_choice(model) for model in models]
    return ModelGroup(title, choices, _note(models, is_tuned=False))


def _base_choice(model: BaseModel) -> ModelChoice:
    return ModelChoice(model.name, model.name, str(model.get_source_display()), is_tuned=False)


def _tuned_note(jobs: Iterable[TrainingJob]) -> str:
    return _note((job.base_model for job in jobs), is_tuned=True)


def _note(models: Iterable[BaseModel], *, is_tuned: bool) -> str:
    """Where what is written to them goes, and which server does not answer; each sentence once."""
    sentences: list[str] = []
    for model in models:
        if sentence := remote_sentence(model, is_tuned=is_tuned):
            sentences += [sentence, trouble_sentence(model)]
    return " ".join(dict.fromkeys(filter(None, sentences)))
