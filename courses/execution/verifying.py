"""Look whether what a step asks for is there. As often as anybody likes: the same facts give the same progress."""

from __future__ import annotations

from courses.checks.evaluating import evaluate
from courses.checks.situation import Situation
from courses.lifecycle.recording import record
from courses.models import Enrolment, StepProgress
from courses.selectors.progress import StepStanding, enrolment_ids_of, standing_of


def verify_step(enrolment: Enrolment, step_key: str, *, is_try: bool = False) -> StepProgress:
    """Evaluate the checks of one step and keep what they found.

    Args:
        is_try: whether the person asked, so that a failure counts for hints.

    Raises:
        NotFoundError: the course has no such step.
        ConflictError: the step is locked.
    """
    standing = standing_of(enrolment)
    item = standing.of(step_key)
    item.check_open()
    if item.is_done and item.progress is not None:
        return item.progress
    progress = item.progress or StepProgress(enrolment=enrolment, step_key=step_key)
    findings = evaluate(Situation(enrolment, standing.content, item.step, progress))
    return record(enrolment, item.step, findings, is_try=is_try)


def verify_person(user_id: int) -> int:
    """Every open step of a person's courses that was opened already; returns how many passed now."""
    passed = 0
    for enrolment_id in enrolment_ids_of(user_id):
        enrolment = (
            Enrolment.objects.select_related("user", "course").filter(pk=enrolment_id).first()
        )
        if enrolment is not None:
            passed += _verify_open_steps(enrolment)
    return passed


def _verify_open_steps(enrolment: Enrolment) -> int:
    passed = 0
    for item in standing_of(enrolment).steps:
        if _is_to_be_looked_at(item):
            progress = verify_step(enrolment, item.step.key)
            passed += progress.state == StepProgress.State.PASSED
    return passed


def _is_to_be_looked_at(item: StepStanding) -> bool:
    """Steps nobody has opened yet pass no one by surprise."""
    return item.is_open and not item.is_done and item.progress is not None
