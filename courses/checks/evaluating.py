"""All checks of a step, in order: one that fails blocks those that need it, and no error of ours fails anybody."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from courses.checks import chats, datasets, hidden, jobs, lessons, prompts
from courses.checks.findings import Finding, Outcome
from courses.checks.params import PREDICATES
from courses.checks.situation import Situation

logger = logging.getLogger(__name__)

Predicate = Callable[[Situation, Any], Finding]

EVALUATORS: dict[str, Predicate] = {
    "read.opened": lessons.read_opened,
    "quiz.passed": lessons.quiz_passed,
    "dataset.valid": datasets.dataset_valid,
    "dataset.no_overlap": datasets.dataset_no_overlap,
    "settings.predicted": jobs.settings_predicted,
    "job.completed": jobs.job_completed,
    "job.watched": jobs.job_watched,
    "job.loss_dropped": jobs.job_loss_dropped,
    "job.eval_gain": jobs.job_eval_gain,
    "job.diagnosed": jobs.job_diagnosed,
    "job.stopped_early": jobs.job_stopped_early,
    "job.explained": jobs.job_explained,
    "jobs.differ_only_in": jobs.jobs_differ_only_in,
    "jobs.compared": jobs.jobs_compared,
    "sweep.completed": jobs.sweep_completed,
    "chat.pairs": chats.chat_pairs,
    "chat.votes": chats.chat_votes,
    "chat.corrected": chats.chat_corrected,
    "prompts.run": prompts.prompts_run,
    "prompts.gain": prompts.prompts_gain,
    "hidden.gain": hidden.hidden_gain,
    "reflection.cites": lessons.reflection_cites,
}
assert EVALUATORS.keys() == PREDICATES.keys()


def evaluate(situation: Situation) -> dict[str, Finding]:
    """What each check of the step found, by its key."""
    findings: dict[str, Finding] = {}
    for check in situation.step.checks:
        lacking = [key for key in check.needs if findings[key].outcome != Outcome.PASS]
        if lacking:
            findings[check.key] = Finding(Outcome.BLOCKED, "blocked", observed={"needs": lacking})
            continue
        situation.check = check
        findings[check.key] = _evaluate(situation, EVALUATORS[check.predicate])
    return findings


def _evaluate(situation: Situation, predicate: Predicate) -> Finding:
    try:
        return predicate(situation, situation.check.wanted)
    except Exception:
        logger.exception(
            "enrolment=%s step=%s check=%s could not be evaluated",
            situation.enrolment.pk,
            situation.step.key,
            situation.check.key,
        )
        return Finding(Outcome.ERROR, "not_checked")
