"""A job's own numbers, read for what they say."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from training.diagnosis.facts import JobFacts
from training.diagnosis.rules import find
from training.models import MetricPoint, TrainingJob

logger = logging.getLogger(__name__)

VERSION = 1
"""Of the shape of a stored diagnosis."""


def diagnosis_of(
    job: TrainingJob, points: Sequence[MetricPoint], samples: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """What the numbers say, as codes and numbers in JSON; never raises.

    Args:
        points: by step.
        samples: payloads of the job's "sample" events.

    Returns:
        {"verdict", "findings": [{"code", "evidence", "next": {"code", "params"}}], "version"}, the verdict's finding
        first; empty when nothing can be said.
    """
    try:
        findings = find(facts_of(job, points, samples))
    except Exception:
        # An explanation that fails must not cost the result.
        logger.exception("job=%s was not diagnosed", job.pk)
        return {}
    if not findings:
        return {}
    return {
        "verdict": findings[0].code,
        "findings": [_plain(asdict(finding)) for finding in findings],
        "version": VERSION,
    }


def facts_of(
    job: TrainingJob, points: Sequence[MetricPoint], samples: Sequence[dict[str, Any]]
) -> JobFacts:
    measured = [point for point in points if point.loss is not None]
    plan = job.plan
    return JobFacts(
        lora=job.lora,
        training=job.training,
        losses=[(point.step, point.loss) for point in measured if point.loss is not None],
        held_out=[(point.step, point.eval_loss) for point in points if point.eval_loss is not None],
        grad_norms=[point.grad_norm for point in measured if point.grad_norm is not None],
        example_count=plan.get("example_count", 0),
        label_token_count=plan.get("label_token_count", 0),
        cut_answer_count=plan.get("cut_answer_count", 0),
        dropped_count=plan.get("dropped_count", 0),
        context_length=job.base_model.context_length,
        finish_reasons=_last_finish_reasons(samples),
        failure=job.error_code if job.status == TrainingJob.Status.FAILED else "",
        failure_params=job.error_params,
    )


def _last_finish_reasons(samples: Sequence[dict[str, Any]]) -> list[str]:
    """Of each question's newest answer; those of the untouched base model do not count."""
    newest: dict[int, tuple[int, str]] = {}
    for sample in samples:
        step, reason = sample["step"], sample.get("finish_reason", "")
        if step > 0 and reason and step >= newest.get(sample["index"], (0, ""))[0]:
            newest[sample["index"]] = (step, reason)
    return [reason for _step, reason in newest.values()]


def _plain(value: Any) -> Any:
    """JSON without the digits that nobody reads, and without numbers that JSON does not have."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
