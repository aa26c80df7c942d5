"""All settings of a job as its page lists them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from engine.config import Parameter
from training.models import TrainingJob
from training.templatetags.setting_tags import setting_words

Row = tuple[Any, str, Any]
"""A setting's name, its value in words, and what it does."""


def setting_groups(job: TrainingJob) -> list[tuple[str, list[Row]]]:
    groups = [
        (_("Adapter"), _rows(job.lora.parameters(), job.lora.to_dict())),
        (_("Training"), _rows(job.training.parameters(), job.training.to_dict())),
    ]
    if job.eval_dataset_version is not None:
        name = job.eval_dataset_version.dataset.name
        groups.append((_("Evaluation"), [(_("Evaluation dataset"), name, "")]))
    return groups


def _rows(parameters: Mapping[str, Parameter], values: Mapping[str, Any]) -> list[Row]:
    return [
        (
            gettext_lazy(parameter.label),
            setting_words(values[name], name),
            gettext_lazy(parameter.help),
        )
        for name, parameter in parameters.items()
    ]
