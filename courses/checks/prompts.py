"""Predicates over runs of prompt sets: an own model beside its base model, on the same questions."""

from __future__ import annotations

from chat.prompt_sets.evidence import ModelEvidence, RunEvidence, finished_runs
from courses.checks.datasets import leaks_into
from courses.checks.findings import Finding, Proof, failed, passed
from courses.checks.params import PromptsGain, PromptsRun, WhichSet
from courses.checks.situation import Situation


def prompts_run(situation: Situation, wanted: PromptsRun) -> Finding:
    runs = _runs(situation, wanted.which)
    fitting = [run for run in runs if run.item_count >= wanted.min_items]
    if not fitting:
        most = max((run.item_count for run in runs), default=0)
        return failed(
            "prompts_not_run",
            observed={"items": most},
            wanted={"items": wanted.min_items, "set": wanted.which},
        )
    return passed(_proof(fitting[0]), items=fitting[0].item_count)


def prompts_gain(situation: Situation, wanted: PromptsGain) -> Finding:
    """Loss on the hoped-for answers, which nobody can reach by training on them: that is looked for."""
    first: Finding | None = None
    for run in _runs(situation, wanted.which):
        for model in run.models:
            finding = _gain(situation, run, model, wanted.min_nats)
            if finding is None:
                continue
            if finding.outcome == finding.outcome.PASS:
                return finding
            first = first or finding
    return first or failed(
        "prompts_not_run", observed={"items": 0}, wanted={"items": 1, "set": wanted.which}
    )


def _gain(
    situation: Situation, run: RunEvidence, model: ModelEvidence, least: float
) -> Finding | None:
    job = next((job for job in situation.completed_jobs if job.pk == model.job_id), None)
    difference = model.differences.get("loss")
    if job is None or difference is None:
        return None
    if leaks := leaks_into(situation.level, "eval", job.dataset_version):
        name = job.dataset_version.dataset.name
        return failed("dataset_leaks", observed={"name": name, "leaks": leaks, "set": "eval"})
    gain = difference.estimate.mean
    observed = {"name": job.name, "gain": gain}
    if gain < least:
        return failed("prompts_small_gain", observed=observed, wanted={"gain": least})
    return passed(_proof(run, gain=gain, job=str(job.pk)), **observed)


def _runs(situation: Situation, which: WhichSet) -> list[RunEvidence]:
    """Runs of this course over the wanted questions, with an own model and its base model."""
    own = {job.pk: job for job in situation.completed_jobs}
    course_set = f"level-{situation.level}-eval"
    return [
        run
        for run in finished_runs(situation.user)
        if run.completed_at >= situation.began_at
        and any(model.job_id in own for model in run.models)
        and run.has_base
        and (which == "any" or (which == "eval") == (run.source_id == course_set))
    ]


def _proof(run: RunEvidence, **facts: object) -> Proof:
    adapters = [model.adapter_digest for model in run.models if model.adapter_digest]
    known = {"items": run.item_count, "adapters": adapters}
    return Proof("prompt_run", str(run.run_id), run.digest, known | facts)
