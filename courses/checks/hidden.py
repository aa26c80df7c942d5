"""The predicate over measurements on hidden questions. All numbers are those that a worker wrote down."""

from __future__ import annotations

from courses.checks.datasets import leaks_into
from courses.checks.findings import Finding, Outcome, Proof, failed, passed, waiting
from courses.checks.params import HiddenGain
from courses.checks.situation import Situation
from courses.models import HiddenMeasurement
from datasets_app.models import DatasetVersion
from training.models import TrainingJob

Status = HiddenMeasurement.Status


def hidden_gain(situation: Situation, wanted: HiddenGain) -> Finding:
    """The first measurement that shows it; else what is under way; else what the newest one lacks."""
    rows = list(HiddenMeasurement.objects.filter(enrolment=situation.enrolment))
    own = {job.pk: job for job in situation.completed_jobs}
    first: Finding | None = None
    for row in rows:
        if row.status != Status.COMPLETED or row.job_id not in own:
            continue
        finding = _gain(situation, row, own[row.job_id], wanted.min_nats)
        if finding.outcome == Outcome.PASS:
            return finding
        first = first or finding
    under_way = next((row for row in rows if row.is_active), None)
    if under_way is not None:
        return waiting("hidden_under_way", name=under_way.job_name, status=under_way.status)
    if rows and rows[0].status == Status.FAILED:
        return _not_measured(rows[0])
    return first or failed("hidden_not_measured", wanted={"gain": wanted.min_nats})


def _gain(situation: Situation, row: HiddenMeasurement, job: TrainingJob, least: float) -> Finding:
    for version in _data_of(job):
        if leaks := leaks_into(situation.level, "hidden", version):
            observed = {"name": version.dataset.name, "leaks": leaks, "set": "hidden"}
            return failed("dataset_leaks", observed=observed)
    assert row.gain is not None
    observed = {
        "name": row.job_name,
        "baseline": row.base_loss,
        "loss": row.tuned_loss,
        "gain": row.gain,
    }
    if row.gain < least:
        return failed("hidden_small_gain", observed=observed, wanted={"gain": least})
    facts = observed | {
        "items": row.question_count,
        "adapters": [row.adapter_digest],
        "job": str(job.pk),
    }
    proof = Proof("hidden_measurement", str(row.pk), row.digest, facts)
    return passed(proof, **observed)


def _data_of(job: TrainingJob) -> list[DatasetVersion]:
    """What it learned from, and what chose its best adapter."""
    chosen = job.eval_dataset_version
    return [job.dataset_version] if chosen is None else [job.dataset_version, chosen]


def _not_measured(row: HiddenMeasurement) -> Finding:
    """No fault of the student's: it is an error of ours, and never a failure."""
    observed = {
        "name": row.job_name,
        "error_code": row.error_code,
        "error_params": row.error_params,
    }
    return Finding(Outcome.ERROR, "hidden_failed", observed=observed)
