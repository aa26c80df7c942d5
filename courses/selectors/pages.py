"""What the pages of courses show."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from accounts.models import Membership, User
from courses.actions import address_of
from courses.catalogue.schema import Bilingual, Check, CourseContent, Question
from courses.models import (
    CohortCourse,
    Course,
    CourseVersion,
    Enrolment,
    HintView,
    QuizAnswer,
    Reflection,
)
from courses.rendering import Part, parts_of
from courses.selectors.content import content_of, newest_version
from courses.selectors.due import Due, DueDates, Timeliness, timeliness
from courses.selectors.progress import (
    CourseStanding,
    Standing,
    StepStanding,
    offered_courses,
    standing_of,
)
from courses.wording.checks import check_title
from courses.wording.reasons import reason_sentence
from training.models import TrainingJob

CITABLE_JOBS = 20


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A course in the list, and how far the reader is.

    Attributes:
        taken: by the class whose dates hold for the reader.
    """

    course: Course
    content: CourseContent
    title: str
    summary: str
    standing: CourseStanding | None
    cohort_name: str
    due: Due | None = None
    taken: CohortCourse | None = None

    @property
    def timeliness(self) -> Timeliness | None:
        return timeliness(self.due, self.standing) if self.due else None


@dataclass(frozen=True, slots=True)
class ShownHint:
    """A hint of a check; the text is empty until it is open."""

    level: int
    text: str
    is_unlocked: bool


@dataclass(frozen=True, slots=True)
class ShownCheck:
    """One thing that a step asks for, as it stands."""

    key: str
    title: str
    outcome: str
    sentence: str
    hints: tuple[ShownHint, ...]


@dataclass(frozen=True, slots=True)
class ShownOption:
    key: str
    text: str
    is_chosen: bool
    is_right: bool
    why: str


@dataclass(frozen=True, slots=True)
class ShownQuestion:
    """A question with what the reader answered last; explanations only for what was chosen."""

    key: str
    kind: str
    text: str
    options: tuple[ShownOption, ...]
    answer: Any
    is_answered: bool
    is_right: bool
    why: str


@dataclass(frozen=True, slots=True)
class ShownReflection:
    prompt: str
    text: str
    least: int
    jobs: tuple[TrainingJob, ...]
    cited: frozenset[str]


@dataclass(frozen=True, slots=True)
class StepPage:
    """Everything on the page of a step."""

    course: CourseStanding
    item: StepStanding
    title: str
    is_outdated: bool
    parts: list[Part]
    action_address: str
    action_label: str
    checks: list[ShownCheck]
    questions: list[ShownQuestion] = field(default_factory=list)
    reflection: ShownReflection | None = None
    number: int = 1
    previous_key: str = ""
    next_key: str = ""


def catalogue(user: User, language: str) -> list[CatalogueEntry]:
    """Every course that is offered, the first level first."""
    enrolments = {
        enrolment.course_id: enrolment
        for enrolment in Enrolment.objects.filter(user=user).select_related("course", "cohort")
    }
    rows = CohortCourse.objects.filter(cohort__memberships__user=user).select_related("cohort")
    pinned = {row.course_id: row for row in rows}
    dates = DueDates(rows, [user.pk])
    learns_in = set(
        Membership.objects.filter(user=user, role=Membership.Role.STUDENT).values_list(
            "cohort_id", flat=True
        )
    )
    of_class = {(row.cohort_id, row.course_id): row for row in rows if row.cohort_id in learns_in}
    entries = []
    for course in offered_courses(user):
        enrolment, taken = enrolments.get(course.pk), pinned.get(course.pk)
        try:
            content = _content(course, enrolment, taken)
        except CourseVersion.DoesNotExist:
            continue
        # Who began with one class is bound by its date, whichever classes take the course besides.
        cohort_id = enrolment.cohort_id if enrolment else taken and taken.cohort_id
        binding = of_class.get((cohort_id, course.pk)) if cohort_id else None
        entries.append(
            CatalogueEntry(
                course,
                content,
                content.about.title.text(language),
                content.about.summary.text(language),
                standing_of(enrolment) if enrolment else None,
                taken.cohort.name if taken else "",
                dates.of(binding.pk, user.pk) if binding else None,
                binding,
            )
        )
    return entries


def entry_of(user: User, course: Course, language: str) -> CatalogueEntry | None:
    return next((entry for entry in catalogue(user, language) if entry.course == course), None)


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step in the table of contents."""

    key: str
    title: str
    kind: str
    minutes: int
    required: bool
    standing: Standing


def step_rows(
    content: CourseContent, standing: CourseStanding | None, language: str
) -> list[StepRow]:
    """The steps of a course as they stand for the reader; all locked before it is begun."""
    standings = {item.step.key: item.standing for item in standing.steps} if standing else {}
    return [
        StepRow(
            step.key,
            step.text(language).title,
            step.kind,
            step.minutes,
            step.required,
            standings.get(step.key, Standing.LOCKED),
        )
        for step in content.steps
    ]


def step_page(enrolment: Enrolment, step_key: str, language: str) -> StepPage:
    """
    Raises:
        NotFoundError: the course has no such step.
        ConflictError: it is locked.
    """
    standing = standing_of(enrolment)
    item = standing.of(step_key)
    item.check_open()
    step, text = item.step, item.step.text(language)
    keys = [other.step.key for other in standing.steps]
    index = keys.index(step_key)
    return StepPage(
        course=standing,
        item=item,
        title=text.title,
        is_outdated=text.is_outdated,
        parts=parts_of(text.body, language),
        action_address=address_of(step.action, enrolment.user) if step.action else "",
        action_label=step.action.label.text(language) if step.action else "",
        checks=shown_checks(enrolment, item, language),
        questions=_questions(enrolment, item, language),
        reflection=_reflection(enrolment, item, language),
        number=index + 1,
        previous_key=keys[index - 1] if index else "",
        next_key=keys[index + 1] if index + 1 < len(keys) else "",
    )


def shown_checks(
    enrolment: Enrolment,
    item: StepStanding,
    language: str,
    opened: Set[tuple[str, int]] | None = None,
) -> list[ShownCheck]:
    """The checks of a step with the sentences of what they found last.

    Args:
        opened: the hints that were opened, as check and level, where they are known.
    """
    stored = item.progress.checks if item.progress else {}
    tries = item.progress.tries if item.progress else 0
    if opened is None:
        views = HintView.objects.filter(enrolment=enrolment, step_key=item.step.key)
        opened = set(views.values_list("check_key", "level"))
    return [
        ShownCheck(
            key=check.key,
            title=check_title(check),
            outcome="pass" if item.is_done else stored.get(check.key, {}).get("outcome", ""),
            sentence=""
            if item.is_done or check.key not in stored
            else reason_sentence(stored[check.key]),
            hints=() if item.is_done else _hints(check, tries, opened, language),
        )
        for check in item.step.checks
    ]


def _hints(
    check: Check, tries: int, opened: Set[tuple[str, int]], language: str
) -> tuple[ShownHint, ...]:
    return tuple(
        ShownHint(
            level,
            hint.text(language) if (check.key, level) in opened else "",
            is_unlocked=tries >= hint.after,
        )
        for level, hint in enumerate(check.hints, start=1)
    )


def _questions(enrolment: Enrolment, item: StepStanding, language: str) -> list[ShownQuestion]:
    if not item.step.questions:
        return []
    answers = QuizAnswer.objects.filter(enrolment=enrolment, step_key=item.step.key)
    newest = {answer.question_key: answer for answer in answers.order_by("created_at")}
    return [
        _question(question, newest.get(question.key), language) for question in item.step.questions
    ]


def _question(question: Question, answer: QuizAnswer | None, language: str) -> ShownQuestion:
    given = answer.answer if answer else None
    chosen = set(given) if isinstance(given, list) else set()
    return ShownQuestion(
        key=question.key,
        kind=question.kind,
        text=question.text.text(language),
        options=tuple(
            ShownOption(
                option.key,
                option.text(language),
                option.key in chosen,
                option.right,
                option.why.text(language) if option.key in chosen else "",
            )
            for option in question.options
        ),
        answer=given,
        is_answered=answer is not None,
        is_right=answer is not None and answer.is_right,
        why=_why(question.why, answer, language),
    )


def _why(why: Bilingual | None, answer: QuizAnswer | None, language: str) -> str:
    return why.text(language) if why is not None and answer is not None and answer.is_right else ""


def _reflection(enrolment: Enrolment, item: StepStanding, language: str) -> ShownReflection | None:
    task = item.step.reflection
    if task is None:
        return None
    written = Reflection.objects.filter(enrolment=enrolment, step_key=item.step.key).first()
    jobs = TrainingJob.objects.filter(
        owner=enrolment.user, created_at__gte=enrolment.started_at
    ).order_by("-created_at")
    least = task.min_characters
    return ShownReflection(
        prompt=task.prompt.text(language),
        text=written.text if written else "",
        least=least.ja if language.startswith("ja") else least.en,
        jobs=tuple(jobs[:CITABLE_JOBS]),
        cited=frozenset(map(str, written.job_ids)) if written else frozenset(),
    )


def _content(
    course: Course, enrolment: Enrolment | None, pinned: CohortCourse | None
) -> CourseContent:
    version_id: UUID
    if enrolment is not None:
        version_id = enrolment.version_id
    elif pinned is not None:
        version_id = pinned.version_id
    else:
        version_id = newest_version(course).pk
    return content_of(version_id)
