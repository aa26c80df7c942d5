"""What the reference student does for each predicate that a course may ask for."""

from __future__ import annotations

from collections.abc import Callable

from common.errors import DomainError
from courses.catalogue.schema import Check
from courses.solving import lessons, measuring, talking, training
from courses.solving.student import ReferenceStudent, UnsolvableError


def nothing(student: ReferenceStudent, check: Check) -> None:
    """The check looks at what was done for another one."""


ACTS: dict[str, Callable[[ReferenceStudent, Check], None]] = {
    "read.opened": lessons.read,
    "quiz.passed": lessons.answer,
    "reflection.cites": lessons.reflect,
    "dataset.valid": training.prepare_dataset,
    "dataset.no_overlap": nothing,
    "settings.predicted": training.train,
    "job.completed": training.train,
    "job.loss_dropped": training.train,
    "job.eval_gain": training.train,
    "job.watched": training.train,
    "job.diagnosed": training.train,
    "job.stopped_early": training.train,
    "jobs.differ_only_in": training.train,
    "jobs.compared": training.compare_jobs,
    "job.explained": training.explain,
    "sweep.completed": training.sweep,
    "chat.pairs": talking.talk,
    "chat.votes": talking.vote,
    "chat.corrected": talking.correct_answer,
    "prompts.run": talking.put_prompts,
    "prompts.gain": nothing,
    "hidden.gain": measuring.measure_hidden,
}


def work_on_step(student: ReferenceStudent) -> None:
    """Do what the checks of the student's step ask for, in their order.

    Raises:
        UnsolvableError: something was refused, or failed.
    """
    for check in student.step.checks:
        try:
            ACTS[check.predicate](student, check)
        except DomainError as error:
            faults = [str(fault.message) for fault in error.faults]
            raise UnsolvableError(" ".join([f"{check.key}: {error.message}", *faults])) from error
