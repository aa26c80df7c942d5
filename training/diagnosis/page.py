"""What a job's page says of its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from training.diagnosis.reading import VERSION, diagnosis_of
from training.diagnosis.wording import (
    evidence_rows,
    experiment_sentence,
    sentence_of,
    title_of,
)
from training.models import TrainingJob

LEVELS = {
    "diverged": "danger",
    "out_of_memory": "danger",
    "unstable": "warning",
    "no_effect": "warning",
    "memorised": "warning",
    "never_learned_to_stop": "warning",
    "answers_cut": "warning",
    "under_trained": "info",
    "good": "success",
    "too_little_data": "info",
    "examples_left_out": "info",
    "no_held_out": "info",
}
IN_DATASET = ("add_examples", "shorter_answers")
"""Experiments that begin in the dataset, not in the form of a new job."""


@dataclass(frozen=True, slots=True)
class WordedFinding:
    """A finding as a reader sees it.

    Attributes:
        level: of its colour: danger, warning, info or success.
        rows: its evidence, each number with its name.
        next_sentence, next_url: the experiment to try; empty where there is none.
    """

    code: str
    level: str
    title: str
    sentence: str
    rows: list[tuple[str, str]]
    next_sentence: str
    next_url: str


def diagnosis_context(job: TrainingJob) -> dict[str, Any]:
    """What the numbers of a job that is over say: the verdict, then the rest; nothing while it lives."""
    findings = worded_findings(job)
    return {"verdict": findings[0], "other_findings": findings[1:]} if findings else {}


def without_experiments(context: dict[str, Any]) -> dict[str, Any]:
    """The context for another reader than the owner: what to try next leads to forms that are the owner's."""
    if "verdict" not in context:
        return context
    return context | {
        "verdict": replace(context["verdict"], next_url=""),
        "other_findings": [replace(item, next_url="") for item in context["other_findings"]],
    }


def worded_findings(job: TrainingJob) -> list[WordedFinding]:
    if job.is_active:
        return []
    found = job.diagnosis if job.diagnosis.get("version") == VERSION else _computed(job)
    return [_worded(job, finding) for finding in found.get("findings", [])]


def _computed(job: TrainingJob) -> dict[str, Any]:
    """For a job that ended without a stored diagnosis, or with one of an older version."""
    points = list(job.metric_points.order_by("step"))
    samples = job.events.filter(type="sample").order_by("seq").values_list("payload", flat=True)
    return diagnosis_of(job, points, list(samples))


def _worded(job: TrainingJob, finding: Mapping[str, Any]) -> WordedFinding:
    code, evidence = finding["code"], finding["evidence"]
    step = finding["next"] or {"code": "", "params": {}}
    return WordedFinding(
        code=code,
        level=LEVELS.get(code, "info"),
        title=title_of(code),
        sentence=sentence_of(code, evidence),
        rows=evidence_rows(evidence),
        next_sentence=experiment_sentence(step["code"], step["params"]),
        next_url=_experiment_url(job, step["code"], step["params"]),
    )


def _experiment_url(job: TrainingJob, code: str, params: Mapping[str, Any]) -> str:
    if code in IN_DATASET:
        return reverse("datasets:dataset_detail", args=[job.dataset_version.dataset_id])
    if not params:
        return ""
    return f"{reverse('training:job_new')}?{urlencode({'from': job.pk, **params})}"
