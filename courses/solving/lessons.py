"""Reading, quizzes and reflections. The clock of a reading step is turned back, in place of waiting."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from courses.catalogue.schema import Check
from courses.checks.params import ReadOpened
from courses.models import StepProgress
from courses.services.answering import answer_quiz, write_reflection
from courses.services.reading import BEAT_SECONDS, beat
from courses.solving.student import ReferenceStudent, UnsolvableError

CITED_JOBS = 5
CHARACTERS_PER_COUNTED = 3
"""Spaces, punctuation and repeated words do not count for the length of a reflection."""


def read(student: ReferenceStudent, check: Check) -> None:
    wanted = check.wanted
    assert isinstance(wanted, ReadOpened)
    rows = StepProgress.objects.filter(enrolment=student.enrolment, step_key=student.step.key)
    while rows.get().active_seconds < wanted.seconds:
        rows.update(last_seen_at=timezone.now() - timedelta(seconds=BEAT_SECONDS))
        beat(student.enrolment, student.step.key)


def answer(student: ReferenceStudent, check: Check) -> None:
    answers: dict[str, Any] = {
        question.key: question.answer
        if question.kind == "number"
        else [option.key for option in question.options if option.right]
        for question in student.step.questions
    }
    answer_quiz(student.enrolment, student.step.key, answers)


def reflect(student: ReferenceStudent, check: Check) -> None:
    """In the words of the lesson, as much of them as are asked for."""
    task = student.step.reflection
    if task is None:
        raise UnsolvableError("there is nothing to reflect on")
    least = task.min_characters.ja if student.language == "ja" else task.min_characters.en
    text = task.prompt.text(student.language)
    for line in student.step.text(student.language).body.splitlines():
        if len(text) < CHARACTERS_PER_COUNTED * least:
            text += "\n" + line
    cited = [job.pk for job in student.jobs[-CITED_JOBS:]]
    write_reflection(student.enrolment, student.step.key, text=text, job_ids=cited)
