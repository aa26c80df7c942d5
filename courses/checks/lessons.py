"""Predicates over the lesson itself: reading, quizzes and reflections."""

from __future__ import annotations

from courses.checks.findings import Finding, Proof, failed, passed
from courses.checks.params import QuizPassed, ReadOpened, ReflectionCites
from courses.checks.situation import Situation
from courses.models import QuizAnswer, Reflection
from datasets_app.intake.quality import normalised


def read_opened(situation: Situation, wanted: ReadOpened) -> Finding:
    seconds = situation.progress.active_seconds
    if seconds < wanted.seconds:
        return failed(
            "read_too_short",
            observed={"seconds": seconds},
            wanted={"seconds": wanted.seconds},
        )
    return passed(seconds=seconds)


def quiz_passed(situation: Situation, wanted: QuizPassed) -> Finding:
    """Questions whose first answer was wrong count once their newest is right: a quiz is there to learn from."""
    answers = QuizAnswer.objects.filter(
        enrolment=situation.enrolment, step_key=situation.step.key
    ).order_by("created_at")
    newest = {answer.question_key: answer for answer in answers}
    keys = {question.key for question in situation.step.questions}
    right = [answer for key, answer in newest.items() if key in keys and answer.is_right]
    if len(right) < wanted.right:
        return failed(
            "quiz_not_enough",
            observed={"right": len(right), "answered": len(newest.keys() & keys)},
            wanted={"right": wanted.right, "questions": len(keys)},
        )
    return passed(*(Proof("quiz_answer", str(answer.pk)) for answer in right), right=len(right))


def reflection_cites(situation: Situation, wanted: ReflectionCites) -> Finding:
    task = situation.step.reflection
    reflection = Reflection.objects.filter(
        enrolment=situation.enrolment, step_key=situation.step.key
    ).first()
    if reflection is None or task is None:
        return failed("reflection_missing", wanted={"jobs": wanted.jobs})
    is_japanese = any("\u3040" <= character <= "\u30ff" for character in reflection.text)
    least = task.min_characters.ja if is_japanese else task.min_characters.en
    # Punctuation and repeated words make a text longer and say no more.
    length = len(normalised(reflection.text))
    if length < least or len(set(reflection.text.split())) * 3 < len(reflection.text.split()):
        return failed(
            "reflection_short", observed={"characters": length}, wanted={"characters": least}
        )
    own = {str(job.pk) for job in situation.completed_jobs}
    cited = sorted(own.intersection(map(str, reflection.job_ids)))
    if len(cited) < wanted.jobs:
        return failed(
            "reflection_cites_few", observed={"jobs": len(cited)}, wanted={"jobs": wanted.jobs}
        )
    return passed(
        Proof("reflection", str(reflection.pk), facts={"jobs": cited}),
        characters=length,
        jobs=len(cited),
    )
