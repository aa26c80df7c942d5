"""Play a course from its first step to its last, and say how each went."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from django.utils import translation

from accounts.models import User
from common.errors import ConflictError
from courses.checks.findings import Outcome
from courses.execution.verifying import verify_step
from courses.models import Course, StepProgress
from courses.selectors.content import content_of
from courses.services.enrolling import begin_course
from courses.services.reading import open_step
from courses.solving.acts import work_on_step
from courses.solving.solution import read_solution
from courses.solving.student import ReferenceStudent, UnsolvableError
from courses.wording.reasons import reason_sentence


@dataclass(frozen=True, slots=True)
class PlayedStep:
    """How one step went.

    Attributes:
        seconds: of the machine; a person's reading and writing are not in it.
        problem: a sentence why it was not passed; empty when it was.
    """

    key: str
    minutes: int
    seconds: float
    problem: str


@dataclass(frozen=True, slots=True)
class PlayedCourse:
    slug: str
    language: str
    seed: int
    minutes: int
    steps: tuple[PlayedStep, ...]
    is_complete: bool

    @property
    def slow_steps(self) -> list[PlayedStep]:
        """Steps whose machine time alone is longer than what the course says of them."""
        return [step for step in self.steps if step.seconds > 60 * step.minutes]

    @property
    def is_passed(self) -> bool:
        return self.is_complete and not self.slow_steps


def play_course(
    slug: str,
    *,
    folder: Path,
    language: str,
    seed: int,
    base_model: str,
    rate_factor: float = 1.0,
    tell: Callable[[PlayedStep], None] = lambda step: None,
) -> PlayedCourse:
    """A new student takes the course on a running system; ends at the first step that is not passed.

    Args:
        folder: of all courses' files, where the solution is.
    """
    course = Course.objects.get(slug=slug)
    user = User.objects.create_user(_free_name(slug, language, seed), language=language)
    # The courses before this one are played on their own.
    user.is_staff = True
    user.save(update_fields=["is_staff"])
    enrolment, _is_new = begin_course(user, course)
    content = content_of(enrolment.version_id)
    student = ReferenceStudent(
        enrolment=enrolment,
        level=content.about.level,
        solution=read_solution(folder / slug),
        language=language,
        base_model=base_model,
        seed=seed,
        step=content.steps[0],
        rate_factor=rate_factor,
    )
    steps: list[PlayedStep] = []
    with translation.override(language):
        for step in content.steps:
            began = time.monotonic()
            student.step = step
            problem = _problem(student)
            played = PlayedStep(step.key, step.minutes, time.monotonic() - began, problem)
            steps.append(played)
            tell(played)
            if problem:
                break
    enrolment.refresh_from_db()
    is_complete = enrolment.completed_at is not None
    return PlayedCourse(slug, language, seed, content.about.minutes, tuple(steps), is_complete)


def _free_name(slug: str, language: str, seed: int) -> str:
    """A course may be played again on the same installation."""
    name = f"reference-{slug}-{language}-{seed}"
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    return next(name for name in names if not User.objects.filter(username=name).exists())


def _problem(student: ReferenceStudent) -> str:
    """Work on a step; what is wrong afterwards, or nothing."""
    enrolment, key = student.enrolment, student.step.key
    try:
        open_step(enrolment, key)
        work_on_step(student)
    except (UnsolvableError, ConflictError) as error:
        return str(error)
    progress = verify_step(enrolment, key, is_try=True)
    if progress.state == StepProgress.State.PASSED:
        return ""
    return " ".join(
        f"{check}: {reason_sentence(result)}"
        for check, result in progress.checks.items()
        if result["outcome"] != Outcome.PASS
    )
