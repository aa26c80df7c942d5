"""The settings in which several jobs differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from datasets_app.models import DatasetVersion
from training.models import TrainingJob


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting with each job's value, in the order of the jobs.

    name is a hyperparameter with its prefix, as lora_config.r, or base_model, dataset or eval_dataset.
    """

    name: str
    label: str
    values: tuple[Any, ...]

    @property
    def parameter_name(self) -> str:
        return self.name.rpartition(".")[2]


def differences_of(jobs: Sequence[TrainingJob]) -> list[Difference]:
    return [
        row for row in _all_settings(jobs) if any(value != row.values[0] for value in row.values)
    ]


def _all_settings(jobs: Sequence[TrainingJob]) -> Iterator[Difference]:
    yield Difference("base_model", _("Base model"), tuple(job.base_model.name for job in jobs))
    yield Difference(
        "dataset", _("Dataset"), tuple(_version_words(job.dataset_version) for job in jobs)
    )
    yield Difference(
        "eval_dataset",
        _("Evaluation dataset"),
        tuple(_version_words(job.eval_dataset_version) for job in jobs),
    )
    for prefix, kind in (("lora_config", "lora"), ("training_config", "training")):
        settings = [getattr(job, kind) for job in jobs]
        values = [entry.to_dict() for entry in settings]
        for name, parameter in settings[0].parameters().items():
            yield Difference(
                f"{prefix}.{name}", _(parameter.label), tuple(entry[name] for entry in values)
            )


def _version_words(version: DatasetVersion | None) -> str:
    if version is None:
        return ""
    return _("%(name)s, version %(number)d") % {
        "name": version.dataset.name,
        "number": version.number,
    }
