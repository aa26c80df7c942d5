"""Predicates over the student's training jobs. All numbers are those that a worker wrote down."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from statistics import fmean
from typing import Any

from courses.checks.datasets import is_starter
from courses.checks.findings import Finding, Proof, failed, passed, waiting
from courses.checks.params import (
    JobCompleted,
    JobDiagnosed,
    JobEvalGain,
    JobExplained,
    JobLossDropped,
    JobsCompared,
    JobsDifferOnlyIn,
    JobStoppedEarly,
    JobWatched,
    SettingsPredicted,
    SweepCompleted,
)
from courses.checks.situation import Situation
from courses.models import PageView
from training.models import TrainingJob

LEAST_STEPS_FOR_DROP = 4
"""Of fewer losses a first and a last quarter can not be told apart."""


def settings_predicted(situation: Situation, wanted: SettingsPredicted) -> Finding:
    """A guess is written with the job's settings, before it starts; the form stores both at once."""
    guessed = [
        job for job in situation.jobs if len(job.prediction.strip()) >= wanted.min_characters
    ]
    if not guessed:
        longest = max((len(job.prediction.strip()) for job in situation.jobs), default=0)
        return failed(
            "guess_missing",
            observed={"characters": longest, "jobs": len(situation.jobs)},
            wanted={"characters": wanted.min_characters},
        )
    return passed(proof_of(guessed[0]), name=guessed[0].name)


def job_completed(situation: Situation, wanted: JobCompleted) -> Finding:
    since = situation.progress.first_opened_at if wanted.since == "step" else None
    first: Finding | None = None
    for job in situation.jobs:
        if since is not None and job.created_at < since:
            continue
        finding = _completed(job, wanted)
        if finding.outcome == finding.outcome.PASS:
            return finding
        first = first or finding
    return first or failed("job_missing")


def job_watched(situation: Situation, wanted: JobWatched) -> Finding:
    own = {str(job.pk): job for job in situation.jobs}
    seen = PageView.objects.filter(
        user=situation.user, kind="job_running", subject_id__in=list(own)
    ).first()
    if seen is None:
        return failed("job_not_watched")
    job = own[seen.subject_id]
    return passed(proof_of(job), name=job.name)


def job_loss_dropped(situation: Situation, wanted: JobLossDropped) -> Finding:
    return _first_of(
        situation,
        situation.completed_jobs,
        lambda job: _loss_dropped(job, wanted.ratio),
    )


def job_eval_gain(situation: Situation, wanted: JobEvalGain) -> Finding:
    def check(job: TrainingJob) -> Finding:
        loss = _loss_of_kept_adapter(job)
        if job.baseline_loss is None or loss is None:
            return failed("job_no_held_out", observed={"name": job.name})
        gain = job.baseline_loss - loss
        observed = {"name": job.name, "baseline": job.baseline_loss, "loss": loss, "gain": gain}
        if gain < wanted.min_nats:
            return failed("job_small_gain", observed=observed, wanted={"gain": wanted.min_nats})
        return passed(proof_of(job, **observed), **observed)

    return _first_of(situation, situation.completed_jobs, check)


def job_diagnosed(situation: Situation, wanted: JobDiagnosed) -> Finding:
    def check(job: TrainingJob) -> Finding:
        found = {finding["code"] for finding in job.diagnosis.get("findings", ())}
        observed = {"name": job.name, "verdict": job.diagnosis.get("verdict", "")}
        if not found.intersection(wanted.any_of):
            return failed(
                "job_other_verdict", observed=observed, wanted={"any_of": list(wanted.any_of)}
            )
        return passed(proof_of(job, **observed), **observed)

    return _first_of(situation, situation.jobs, check)


def job_stopped_early(situation: Situation, wanted: JobStoppedEarly) -> Finding:
    def check(job: TrainingJob) -> Finding:
        end = job.events.filter(type="finished").order_by("-seq").first()
        if end is None or not end.payload.get("stopped_early"):
            return failed(
                "job_ran_to_end",
                observed={
                    "name": job.name,
                    "patience": job.training_config.get("early_stopping_patience"),
                },
            )
        return passed(proof_of(job, step=job.current_step), name=job.name, step=job.current_step)

    return _first_of(situation, situation.completed_jobs, check)


def job_explained(situation: Situation, wanted: JobExplained) -> Finding:
    explained = [
        job
        for job in situation.completed_jobs
        if len(job.explanation.strip()) >= wanted.min_characters
    ]
    if not explained:
        return failed("explanation_missing", wanted={"characters": wanted.min_characters})
    return passed(proof_of(explained[0]), name=explained[0].name)


def jobs_differ_only_in(situation: Situation, wanted: JobsDifferOnlyIn) -> Finding:
    """Completed jobs with the same data, base model and settings but one, which has several values."""
    best: list[TrainingJob] = []
    for setting in wanted.settings:
        groups: dict[Any, dict[str, TrainingJob]] = defaultdict(dict)
        for job in situation.completed_jobs:
            same, value = _apart_from(setting, job)
            groups[same].setdefault(value, job)
        best = max([best, *(list(group.values()) for group in groups.values())], key=len)
        if len(best) >= wanted.min:
            return passed(*map(proof_of, best), setting=setting, names=[job.name for job in best])
    return failed(
        "jobs_differ_more",
        observed={
            "jobs": len(best) if len(best) > 1 else 0,
            "completed": len(situation.completed_jobs),
        },
        wanted={"jobs": wanted.min, "settings": list(wanted.settings)},
    )


def jobs_compared(situation: Situation, wanted: JobsCompared) -> Finding:
    own = {str(job.pk) for job in situation.jobs}
    most = 0
    for view in PageView.objects.filter(user=situation.user, kind="comparison"):
        seen = own.intersection(view.subject_id.split(","))
        most = max(most, len(seen))
        if len(seen) >= wanted.min:
            return passed(Proof("page", str(view.pk), facts={"jobs": sorted(seen)}), jobs=len(seen))
    return failed("jobs_not_compared", observed={"jobs": most}, wanted={"jobs": wanted.min})


def sweep_completed(situation: Situation, wanted: SweepCompleted) -> Finding:
    groups: dict[Any, list[TrainingJob]] = defaultdict(list)
    for job in situation.completed_jobs:
        if job.sweep_id is not None:
            groups[job.sweep_id].append(job)
    best = max(groups.values(), key=len, default=[])
    if len(best) >= wanted.min_jobs:
        return passed(*map(proof_of, best), jobs=len(best))
    under_way = [job for job in situation.active_jobs if job.sweep_id is not None]
    if under_way:
        return waiting("sweep_under_way", jobs=len(best), left=len(under_way))
    return failed("sweep_small", observed={"jobs": len(best)}, wanted={"jobs": wanted.min_jobs})


def proof_of(job: TrainingJob, **facts: Any) -> Proof:
    adapter = getattr(job, "adapter", None)
    known = {"name": job.name, "dataset_digest": job.dataset_version.digest}
    return Proof("job", str(job.pk), adapter.digest if adapter else "", known | facts)


def _completed(job: TrainingJob, wanted: JobCompleted) -> Finding:
    observed: dict[str, Any] = {"name": job.name, "status": job.status}
    if unfit := _unfit_settings(job, wanted):
        return failed("job_other_settings", observed=observed | {"settings": unfit})
    if wanted.held_out and not _has_held_out(job):
        return failed("job_no_held_out", observed=observed)
    if wanted.dataset != "any" and is_starter(job.dataset_version) != (wanted.dataset == "starter"):
        reason = "job_starter_data" if wanted.dataset == "mine" else "job_own_data"
        return failed(reason, observed=observed | {"dataset": job.dataset_version.dataset.name})
    if wanted.dataset == "mine" and job.dataset_version.dataset.owner_id != job.owner_id:
        return failed("job_foreign_data", observed=observed)
    if job.is_active:
        return waiting("job_under_way", name=job.name, status=job.status, stage=job.stage)
    if job.status != TrainingJob.Status.COMPLETED or not hasattr(job, "adapter"):
        return failed("job_not_completed", observed=observed | {"error_code": job.error_code})
    if job.current_step < wanted.min_steps:
        return failed(
            "job_few_steps",
            observed=observed | {"steps": job.current_step},
            wanted={"steps": wanted.min_steps},
        )
    return passed(proof_of(job, steps=job.current_step), name=job.name, steps=job.current_step)


def _unfit_settings(job: TrainingJob, wanted: JobCompleted) -> dict[str, Any]:
    """Settings outside their bounds, with the value that the job has."""
    unfit = {}
    for setting, bounds in wanted.settings.items():
        group, _separator, name = setting.partition(".")
        config = job.lora if group == "lora_config" else job.training
        value = getattr(config, name)
        if not bounds.allows(list(value) if isinstance(value, tuple) else value):
            unfit[setting] = value
    return unfit


def _has_held_out(job: TrainingJob) -> bool:
    return job.eval_dataset_version_id is not None or job.training.eval_fraction > 0


def _loss_of_kept_adapter(job: TrainingJob) -> float | None:
    """The held-out loss of what the job left: its best one or its last, as its settings say."""
    if job.eval_loss is None or job.training.kept_adapter == "last":
        return job.eval_loss
    measured = job.metric_points.filter(step__gt=0, eval_loss__isnull=False)
    return min(
        [job.eval_loss, *(loss for loss in measured.values_list("eval_loss", flat=True) if loss)]
    )


def _loss_dropped(job: TrainingJob, ratio: float) -> Finding:
    points = job.metric_points.filter(loss__isnull=False, step__gt=0).order_by("step")
    stored = points.values_list("loss", flat=True)
    losses = [loss for loss in stored if loss is not None and math.isfinite(loss)]
    observed: dict[str, Any] = {"name": job.name, "steps": len(losses)}
    if len(losses) < LEAST_STEPS_FOR_DROP:
        return failed("job_few_steps", observed=observed, wanted={"steps": LEAST_STEPS_FOR_DROP})
    quarter = max(1, len(losses) // 4)
    first, last = fmean(losses[:quarter]), fmean(losses[-quarter:])
    observed |= {"first_loss": first, "last_loss": last}
    if not last <= ratio * first:
        return failed("job_loss_high", observed=observed, wanted={"loss": ratio * first})
    return passed(proof_of(job, **observed), **observed)


def _apart_from(setting: str, job: TrainingJob) -> tuple[Any, str]:
    """Everything that a job was made of but one setting, and that setting."""
    settings = {f"lora_config.{name}": value for name, value in job.lora.to_dict().items()} | {
        f"training_config.{name}": value for name, value in job.training.to_dict().items()
    }
    value = repr(settings.pop(setting))
    same = (
        job.dataset_version.digest,
        job.base_model_id,
        job.eval_dataset_version_id,
        repr(sorted(settings.items())),
    )
    return same, value


def _first_of(
    situation: Situation, jobs: Iterable[TrainingJob], check: Callable[[TrainingJob], Finding]
) -> Finding:
    """The first that passes, else what the newest lacks, else that there is none."""
    first: Finding | None = None
    for job in jobs:
        finding = check(job)
        if finding.outcome == finding.outcome.PASS:
            return finding
        first = first or finding
    if first is None and situation.active_jobs:
        job = situation.active_jobs[0]
        return waiting("job_under_way", name=job.name, status=job.status, stage=job.stage)
    return first or failed("job_missing")
