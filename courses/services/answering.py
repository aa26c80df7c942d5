"""What a student gives in a step itself: answers to questions, and a reflection."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from common.errors import Fault, InvalidInputError
from courses.catalogue.schema import Question, Step
from courses.execution.verifying import verify_step
from courses.models import Enrolment, QuizAnswer, Reflection, StepProgress
from courses.selectors.progress import standing_of
from training.models import TrainingJob

MAX_REFLECTION_CHARACTERS = 10_000
MAX_CITED_JOBS = 20


def answer_quiz(enrolment: Enrolment, step_key: str, answers: dict[str, Any]) -> StepProgress:
    """Keep the answers and look whether the step is passed.

    Args:
        answers: by the question's key: a list of options' keys, or a number.

    Raises:
        NotFoundError, ConflictError: there is no such step, or it is locked.
        InvalidInputError: an answer is missing or none of the offered ones.
    """
    step = _open_step(enrolment, step_key)
    faults = [
        fault for question in step.questions if (fault := _fault(question, answers)) is not None
    ]
    if faults:
        raise InvalidInputError(_("Some questions have no answer yet."), faults=faults)
    with transaction.atomic():
        for question in step.questions:
            QuizAnswer.objects.create(
                enrolment=enrolment,
                step_key=step_key,
                question_key=question.key,
                answer=answers[question.key],
                is_right=question.is_right(answers[question.key]),
            )
    return verify_step(enrolment, step_key, is_try=True)


def write_reflection(
    enrolment: Enrolment, step_key: str, *, text: str, job_ids: list[UUID]
) -> StepProgress:
    """Keep the text and look whether the step is passed.

    Raises:
        NotFoundError, ConflictError: there is no such step, or it is locked.
        InvalidInputError: the text is empty or too long, or a job is not the person's.
    """
    step = _open_step(enrolment, step_key)
    clean = text.replace("\r\n", "\n").replace("\x00", "").strip()
    if step.reflection is None or not clean:
        sentence = _("Write your answer first.")
        raise InvalidInputError(sentence, faults=[Fault(sentence, field="text")])
    if len(clean) > MAX_REFLECTION_CHARACTERS:
        sentence = _("The text has %(count)d characters; at most %(limit)d can be kept.") % {
            "count": len(clean),
            "limit": MAX_REFLECTION_CHARACTERS,
        }
        raise InvalidInputError(sentence, faults=[Fault(sentence, field="text")])
    own = TrainingJob.objects.filter(owner=enrolment.user, pk__in=job_ids[:MAX_CITED_JOBS])
    cited = [str(pk) for pk in own.values_list("pk", flat=True)]
    Reflection.objects.create(enrolment=enrolment, step_key=step_key, text=clean, job_ids=cited)
    return verify_step(enrolment, step_key, is_try=True)


def _open_step(enrolment: Enrolment, step_key: str) -> Step:
    item = standing_of(enrolment).of(step_key)
    item.check_open()
    return item.step


def _fault(question: Question, answers: dict[str, Any]) -> Fault | None:
    answer = answers.get(question.key)
    if question.kind == "number":
        if isinstance(answer, int | float):
            return None
        return Fault(_("Enter a number."), field=question.key)
    known = {option.key for option in question.options}
    if not isinstance(answer, list) or not answer or not known.issuperset(answer):
        return Fault(_("Choose an answer."), field=question.key)
    if question.kind == "one" and len(answer) != 1:
        return Fault(_("Choose one answer."), field=question.key)
    return None
