"""Everything that is known of one student at one step, for those who lead the class."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from accounts.models import Cohort, User
from common.errors import NotFoundError
from courses.catalogue.schema import Question, Step
from courses.models import (
    CheckResult,
    CohortCourse,
    Enrolment,
    Evidence,
    HiddenMeasurement,
    HintView,
    QuizAnswer,
    Reflection,
    ScoreEvent,
    StepProgress,
)
from courses.selectors.content import content_of
from courses.selectors.due import DueDates
from courses.selectors.evidence_subjects import Subject, Subjects
from courses.selectors.lateness import Overrun, late_places
from courses.selectors.measuring import asks_for_measuring, measurements_of
from courses.selectors.pinned import class_enrolments, reading_language, step_title
from courses.selectors.progress import StepStanding, standing_of
from courses.selectors.scores import Score, score_of
from courses.wording.checks import check_title
from courses.wording.evidence import Fact, fact_words, kind_word
from courses.wording.reasons import reason_sentence
from training.models import TrainingJob

Outcome = CheckResult.Outcome


@dataclass(frozen=True, slots=True)
class ShownProof:
    """A row of Evidence in words."""

    kind: str
    facts: tuple[Fact, ...]
    digest: str
    subject: Subject
    created_at: datetime


@dataclass(frozen=True, slots=True)
class RecordedCheck:
    """A check as it stands; the sentence is the one that the student reads."""

    title: str
    outcome: str
    outcome_label: str
    sentence: str
    proofs: tuple[ShownProof, ...]


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    question: str
    answer: str
    is_right: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StepRecord:
    """
    Attributes:
        hints_opened: of all checks of the step.
        reflection: the newest, with the jobs that it names.
        measurements: on hidden questions, where the step asks for one.
    """

    enrolment: Enrolment
    step: Step
    title: str
    course_title: str
    item: StepStanding
    score: Score
    events: list[ScoreEvent]
    checks: list[RecordedCheck]
    answers: list[ShownAnswer]
    reflection: Reflection | None
    cited_jobs: list[TrainingJob]
    measurements: list[HiddenMeasurement]
    hints_opened: int
    hint_count: int
    due_at: datetime | None
    is_late: bool

    @property
    def minutes(self) -> int:
        return round(self.item.progress.active_seconds / 60) if self.item.progress else 0

    @property
    def tries(self) -> int:
        return self.item.progress.tries if self.item.progress else 0


def find_student_enrolment(cohort: Cohort, enrolment_id: UUID) -> Enrolment:
    """
    Raises:
        NotFoundError: nobody of this class takes a course under this id.
    """
    found = class_enrolments(cohort).filter(pk=enrolment_id)
    enrolment = found.select_related("user", "course").first()
    if enrolment is None:
        raise NotFoundError(_("There is no such student in this class."))
    return enrolment


def step_record(cohort: Cohort, enrolment: Enrolment, step_key: str, reader: User) -> StepRecord:
    """
    Raises:
        NotFoundError: the course has no such step.
    """
    item = standing_of(enrolment).of(step_key)
    step, content = item.step, content_of(enrolment.version_id)
    reflection = Reflection.objects.filter(enrolment=enrolment, step_key=step_key).first()
    cited = reflection.job_ids if reflection else []
    due_at = _due_at(cohort, enrolment)
    events = ScoreEvent.objects.filter(enrolment=enrolment, step_key=step_key)
    hints = HintView.objects.filter(enrolment=enrolment, step_key=step_key)
    return StepRecord(
        enrolment=enrolment,
        step=step,
        title=step_title(step),
        course_title=content.about.title.text(reading_language()),
        item=item,
        score=score_of(enrolment, step_key),
        events=list(events.select_related("actor").order_by("-created_at")),
        checks=_checks(enrolment, item, reader),
        answers=_answers(enrolment, step),
        reflection=reflection,
        cited_jobs=list(TrainingJob.objects.filter(pk__in=cited, owner=enrolment.user)),
        measurements=list(measurements_of(enrolment)) if asks_for_measuring(step) else [],
        hints_opened=hints.count(),
        hint_count=sum(len(check.hints) for check in step.checks),
        due_at=due_at,
        is_late=_is_late(enrolment, item.progress, due_at),
    )


def _checks(enrolment: Enrolment, item: StepStanding, reader: User) -> list[RecordedCheck]:
    stored = item.progress.checks if item.progress else {}
    rows = list(Evidence.objects.filter(enrolment=enrolment, step_key=item.step.key))
    subjects = Subjects(rows, reader)
    proofs: dict[str, list[ShownProof]] = defaultdict(list)
    for row in rows:
        proofs[row.check_key].append(
            ShownProof(
                kind_word(row.kind),
                tuple(fact_words(row.facts)),
                row.digest,
                subjects.of(row),
                row.created_at,
            )
        )
    return [
        _check(check_title(check), stored.get(check.key), tuple(proofs[check.key]))
        for check in item.step.checks
    ]


def _check(
    title: str, stored: dict[str, Any] | None, proofs: tuple[ShownProof, ...]
) -> RecordedCheck:
    if stored is None:
        return RecordedCheck(title, "", _("Not looked at yet"), "", proofs)
    outcome = Outcome(stored["outcome"])
    return RecordedCheck(title, outcome.value, str(outcome.label), reason_sentence(stored), proofs)


def _answers(enrolment: Enrolment, step: Step) -> list[ShownAnswer]:
    """All of them, in the order in which they were given."""
    questions = {question.key: question for question in step.questions}
    if not questions:
        return []
    given = QuizAnswer.objects.filter(enrolment=enrolment, step_key=step.key)
    return [
        ShownAnswer(
            questions[row.question_key].text.text(reading_language()),
            _answer_words(questions[row.question_key], row.answer),
            row.is_right,
            row.created_at,
        )
        for row in given.order_by("created_at")
        if row.question_key in questions
    ]


def _answer_words(question: Question, answer: Any) -> str:
    if not isinstance(answer, list):
        return f"{answer:g}" if isinstance(answer, int | float) else str(answer)
    texts = {option.key: option.text(reading_language()) for option in question.options}
    return " · ".join(str(texts.get(key, key)) for key in answer)


def _due_at(cohort: Cohort, enrolment: Enrolment) -> datetime | None:
    pinned = CohortCourse.objects.filter(cohort=cohort, course=enrolment.course_id).first()
    due = DueDates([pinned]).of(pinned.pk, enrolment.user_id) if pinned else None
    return due.at if due else None


def _is_late(enrolment: Enrolment, progress: StepProgress | None, due_at: datetime | None) -> bool:
    if progress is None or progress.passed_at is None or due_at is None:
        return False
    if progress.passed_at <= due_at:
        return False
    place = (enrolment.pk, progress.step_key)
    return place in late_places({place: Overrun(due_at, progress.passed_at)})
