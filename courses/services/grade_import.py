"""Points from a file: shown first, then stored all at once, if nothing changed in between."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.core import signing
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.auditing import note_act
from accounts.models import Cohort, User
from common.errors import ConflictError, InvalidInputError
from courses.catalogue.schema import Step
from courses.models import Enrolment, ScoreEvent
from courses.selectors.content import content_of
from courses.selectors.names import shown_names
from courses.selectors.pinned import class_enrolments, pinned_courses, step_title
from courses.selectors.scores import NO_SCORE, Score, scores_of
from courses.services.grade_rows import GivenRow, read_rows
from courses.services.grading import check_points, clean_reason

SALT = "courses.grade_import"
LONGEST_PREVIEW_SECONDS = 60 * 60


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """
    Attributes:
        problem: a sentence; then the row can not be stored.
        is_change: whether storing it would change what counts.
    """

    line: int
    student: str = ""
    step_title: str = ""
    old: Score = NO_SCORE
    points: float = 0.0
    max_points: int = 0
    reason: str = ""
    problem: str = ""
    enrolment_id: UUID | None = None
    step_key: str = ""

    @property
    def is_change(self) -> bool:
        return not self.problem and (self.old.is_exempt or self.old.points != self.points)


@dataclass(frozen=True, slots=True)
class Preview:
    """
    Attributes:
        token: what is to be stored, signed; empty while something is wrong, or when nothing would change.
    """

    rows: list[PreviewRow]
    token: str = ""

    @property
    def problems(self) -> list[PreviewRow]:
        return [row for row in self.rows if row.problem]

    @property
    def changes(self) -> list[PreviewRow]:
        return [row for row in self.rows if row.is_change]

    @property
    def unchanged_count(self) -> int:
        return len(self.rows) - len(self.problems) - len(self.changes)


def preview_import(
    actor: User, cohort: Cohort, content: bytes, *, is_projected: bool = False
) -> Preview:
    """
    Raises:
        InvalidInputError: the file as a whole can not be used.
    """
    given = read_rows(content)
    matching = _Matching(cohort, is_projected=is_projected)
    preview = Preview([matching.row(row) for row in given])
    if preview.problems or not preview.changes:
        return preview
    return replace(preview, token=_signed(actor, cohort, preview.changes))


@transaction.atomic
def store_import(actor: User, cohort: Cohort, token: str) -> int:
    """Store what was shown; how many scores changed.

    Raises:
        InvalidInputError: it was not shown to this person, or too long ago.
        ConflictError: a score, or who is in the class, has changed since.
    """
    rows = _opened(actor, cohort, token)
    ids = {UUID(row[0]) for row in rows}
    locked = list(
        Enrolment.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
    )
    if class_enrolments(cohort).filter(pk__in=ids).count() < len(ids):
        raise ConflictError(_("Somebody left the class since the preview. Upload the file again."))
    scores = scores_of([enrolment.pk for enrolment in locked])
    enrolments = {enrolment.pk: enrolment for enrolment in locked}
    events = []
    for enrolment_id, step_key, points, reason, seen_id in rows:
        pk = UUID(enrolment_id)
        if _id_text(scores.get(pk, {}).get(step_key, NO_SCORE)) != seen_id:
            raise ConflictError(
                _(
                    "Scores have changed since the preview, so nothing was stored. Upload the file again."
                )
            )
        events.append(_event(actor, enrolments[pk], step_key, points, reason))
    ScoreEvent.objects.bulk_create(events)
    note_act(actor, "score_imported", cohort=cohort, count=len(events))
    return len(events)


class _Matching:
    """The rows of a file and what they mean in a class; reads everything once."""

    def __init__(self, cohort: Cohort, *, is_projected: bool) -> None:
        enrolments = class_enrolments(cohort).select_related("user", "course")
        self._enrolments = {(row.user.username, row.course.slug): row for row in enrolments}
        self._students = {username for username, _slug in self._enrolments}
        self._courses = {course.slug for course in pinned_courses(cohort)}
        self._scores = scores_of([row.pk for row in self._enrolments.values()])
        self._names = shown_names(cohort, is_projected=is_projected)
        self._lines: dict[tuple[UUID, str], int] = {}

    def row(self, given: GivenRow) -> PreviewRow:
        found = PreviewRow(given.line)
        if given.course not in self._courses:
            return replace(found, problem=_("This class does not take a course of this name."))
        enrolment = self._enrolments.get((given.username, given.course))
        if enrolment is None:
            return replace(
                found,
                problem=_("No student of this class with this user name has begun the course."),
            )
        found = replace(found, student=self._names.get(enrolment.user_id, ""))
        step = content_of(enrolment.version_id).step(given.step)
        if step is None:
            return replace(found, problem=_("The course has no step of this name."))
        found = replace(
            found,
            step_title=step_title(step),
            step_key=step.key,
            enrolment_id=enrolment.pk,
            max_points=step.weight,
            old=self._scores.get(enrolment.pk, {}).get(step.key, NO_SCORE),
        )
        first = self._lines.setdefault((enrolment.pk, step.key), given.line)
        if first != given.line:
            sentence = _("The same student and step stand in line %(line)d already.")
            return replace(found, problem=sentence % {"line": first})
        return _with_points(found, given, step)


def _with_points(found: PreviewRow, given: GivenRow, step: Step) -> PreviewRow:
    try:
        points = check_points(_number(given.points), step.weight)
        reason = clean_reason(given.reason)
    except InvalidInputError as error:
        return replace(found, problem=str(error.message))
    return replace(found, points=points, reason=reason)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        # Out of every range, so that the sentence names the range.
        return -1.0


def _signed(actor: User, cohort: Cohort, rows: Iterable[PreviewRow]) -> str:
    stored = [
        [str(row.enrolment_id), row.step_key, row.points, row.reason, _id_text(row.old)]
        for row in rows
    ]
    return signing.dumps([actor.pk, str(cohort.pk), stored], salt=SALT, compress=True)


def _opened(actor: User, cohort: Cohort, token: str) -> list[list[Any]]:
    try:
        content = signing.loads(token, salt=SALT, max_age=LONGEST_PREVIEW_SECONDS)
    except signing.BadSignature as error:
        raise InvalidInputError(
            _("This preview is no longer valid, so nothing was stored. Upload the file again.")
        ) from error
    actor_id, cohort_id, rows = content
    if (actor_id, cohort_id) != (actor.pk, str(cohort.pk)):
        raise InvalidInputError(_("This preview is of another class. Upload the file here."))
    return list(rows)


def _event(
    actor: User, enrolment: Enrolment, step_key: str, points: float, reason: str
) -> ScoreEvent:
    step = content_of(enrolment.version_id).step(step_key)
    assert step is not None, step_key
    return ScoreEvent(
        enrolment=enrolment,
        step_key=step_key,
        kind=ScoreEvent.Kind.OVERRIDE,
        points=points,
        max_points=step.weight,
        reason=reason,
        actor=actor,
    )


def _id_text(score: Score) -> str:
    return str(score.newest_id or "")
