"""What the checks of a step found becomes facts, and the facts become progress."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from courses.catalogue.schema import Check, Step
from courses.checks.findings import Finding, Outcome, Proof
from courses.events import class_changed
from courses.lifecycle.hands import lower_hand_at
from courses.models import CheckResult, Enrolment, Evidence, ScoreEvent, StepProgress
from courses.selectors.progress import standing_of

FAILING = frozenset({Outcome.FAIL})
State = StepProgress.State


@transaction.atomic
def record(
    enrolment: Enrolment, step: Step, findings: dict[str, Finding], *, is_try: bool
) -> StepProgress:
    """Keep what was found; a step that passed stays passed.

    Args:
        is_try: whether the person did something for it, so that a failure counts.
    """
    progress = locked_progress(enrolment, step.key)
    if progress.state in StepProgress.DONE:
        return progress
    state_before = progress.state
    for check in step.checks:
        _record_check(enrolment, step, check, findings[check.key], progress)
    outcomes = {finding.outcome for finding in findings.values()}
    changed = _stored(findings) != progress.checks
    progress.checks = _stored(findings)
    if outcomes == {Outcome.PASS}:
        _pass(progress)
        ScoreEvent.objects.create(
            enrolment=enrolment,
            step_key=step.key,
            kind=ScoreEvent.Kind.AUTO,
            points=step.weight,
            max_points=step.weight,
        )
    else:
        _go_on(progress, outcomes, is_try=is_try, has_changed=changed)
    progress.save()
    if progress.state == State.PASSED:
        complete_course(enrolment)
        lower_hand_at(enrolment, step.key)
    if changed or is_try or progress.state != state_before:
        class_changed(enrolment.cohort_id)
    return progress


def locked_progress(enrolment: Enrolment, step_key: str) -> StepProgress:
    """The row of a step, made at its first use, locked for this transaction."""
    StepProgress.objects.get_or_create(enrolment=enrolment, step_key=step_key)
    return StepProgress.objects.select_for_update().get(enrolment=enrolment, step_key=step_key)


def complete_course(enrolment: Enrolment) -> bool:
    """Note that the last required step is done; whether that is so."""
    if not standing_of(enrolment).is_complete:
        return False
    unfinished = Enrolment.objects.filter(pk=enrolment.pk, completed_at__isnull=True)
    unfinished.update(completed_at=timezone.now())
    return True


def _pass(progress: StepProgress) -> None:
    now = timezone.now()
    progress.state, progress.passed_at = State.PASSED, now
    progress.first_opened_at = progress.first_opened_at or now
    progress.fails_in_row = 0


def _go_on(
    progress: StepProgress, outcomes: set[Outcome], *, is_try: bool, has_changed: bool
) -> None:
    progress.state = State.WAITING if _is_waiting(outcomes) else State.WORKING
    if not is_try or not outcomes & FAILING:
        return
    progress.tries += 1
    progress.fails_in_row = 1 if has_changed else progress.fails_in_row + 1


def _is_waiting(outcomes: set[Outcome]) -> bool:
    """Whether a device has to work now, and not the student: then nobody is stuck or late."""
    return Outcome.WAITING in outcomes and not outcomes & FAILING


def _record_check(
    enrolment: Enrolment, step: Step, check: Check, finding: Finding, progress: StepProgress
) -> None:
    known = progress.checks.get(check.key)
    if known == _stored_finding(finding):
        return
    CheckResult.objects.create(
        enrolment=enrolment,
        step_key=step.key,
        check_key=check.key,
        outcome=finding.outcome,
        reason=finding.reason,
        observed=finding.observed,
        wanted=finding.wanted,
    )
    for proof in finding.proofs:
        _keep(enrolment, step.key, check.key, proof)


def _keep(enrolment: Enrolment, step_key: str, check_key: str, proof: Proof) -> None:
    Evidence.objects.get_or_create(
        enrolment=enrolment,
        step_key=step_key,
        check_key=check_key,
        kind=proof.kind,
        subject_id=proof.subject_id,
        digest=proof.digest,
        defaults={"facts": proof.facts},
    )


def _stored(findings: dict[str, Finding]) -> dict[str, Any]:
    return {key: _stored_finding(finding) for key, finding in findings.items()}


def _stored_finding(finding: Finding) -> dict[str, Any]:
    return {
        "outcome": finding.outcome.value,
        "reason": finding.reason,
        "observed": finding.observed,
        "wanted": finding.wanted,
    }


def note_opened(enrolment: Enrolment, step_key: str, now: datetime) -> StepProgress:
    """A person opened a step: it is where they go on."""
    with transaction.atomic():
        progress = locked_progress(enrolment, step_key)
        if progress.first_opened_at is None or enrolment.last_step_key != step_key:
            class_changed(enrolment.cohort_id)
        progress.first_opened_at = progress.first_opened_at or now
        progress.last_seen_at = now
        progress.save(update_fields=["first_opened_at", "last_seen_at"])
        if enrolment.last_step_key != step_key:
            Enrolment.objects.filter(pk=enrolment.pk).update(last_step_key=step_key)
    return progress
