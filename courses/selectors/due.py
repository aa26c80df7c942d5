"""Until when work is due: the date of the class, or a student's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Membership
from courses.models import CohortCourse, DueOverride, Enrolment
from courses.selectors.class_time import zone_of
from courses.selectors.progress import CourseStanding, Standing


@dataclass(frozen=True, slots=True)
class Due:
    """A due date for one person.

    Attributes:
        is_own: whether it was given to this person alone.
        zone: of the class, in which it is shown.
    """

    at: datetime
    is_own: bool
    zone: tzinfo


class Timeliness(StrEnum):
    """How somebody stands towards a due date."""

    DONE = "done"
    AHEAD = "ahead"
    WAITING = "waiting"
    LATE = "late"


class DueDates:
    """Of courses of classes, for any of their students; in one query."""

    def __init__(
        self, pinned: Iterable[CohortCourse], user_ids: Iterable[int] | None = None
    ) -> None:
        """
        Args:
            pinned: with their cohorts, so that none costs a query.
            user_ids: the only people that will be asked for; everybody unless told otherwise.
        """
        self._pinned = {item.pk: item for item in pinned}
        self._zones = {item.cohort_id: zone_of(item.cohort) for item in self._pinned.values()}
        own = DueOverride.objects.filter(cohort_course__in=list(self._pinned))
        if user_ids is not None:
            own = own.filter(user_id__in=list(user_ids))
        self._own: dict[tuple[UUID, int], datetime] = {
            (row.cohort_course_id, row.user_id): row.due_at
            for row in own.only("cohort_course_id", "user_id", "due_at")
        }

    def of(self, cohort_course_id: UUID, user_id: int) -> Due | None:
        item = self._pinned.get(cohort_course_id)
        if item is None:
            return None
        zone = self._zones[item.cohort_id]
        own = self._own.get((cohort_course_id, user_id))
        if own is not None:
            return Due(own, True, zone)
        return Due(item.due_at, False, zone) if item.due_at is not None else None


def dues_of(enrolments: Iterable[Enrolment]) -> dict[UUID, Due]:
    """The due date of each enrolment that has one, by the enrolment's id; in two queries."""
    known = [(item, item.cohort_id) for item in enrolments if item.cohort_id is not None]
    pinned = CohortCourse.objects.filter(
        cohort_id__in={cohort_id for _item, cohort_id in known},
        course_id__in={item.course_id for item, _cohort_id in known},
    ).select_related("cohort")
    by_course = {(item.cohort_id, item.course_id): item for item in pinned}
    dates = DueDates(by_course.values(), {item.user_id for item, _cohort_id in known})
    dues = {}
    for enrolment, cohort_id in known:
        taken = by_course.get((cohort_id, enrolment.course_id))
        due = dates.of(taken.pk, enrolment.user_id) if taken else None
        if due is not None:
            dues[enrolment.pk] = due
    return dues


def without_own_date(taken: CohortCourse) -> list[int]:
    """Ids of the students for whom the date of the class holds."""
    students = Membership.objects.filter(cohort=taken.cohort_id, role=Membership.Role.STUDENT)
    own = DueOverride.objects.filter(cohort_course=taken)
    return list(students.exclude(user__in=own.values("user")).values_list("user_id", flat=True))


def own_dates(taken: CohortCourse) -> QuerySet[DueOverride]:
    """Of single students, the earliest first."""
    own = DueOverride.objects.filter(cohort_course=taken)
    return own.select_related("user", "granted_by").order_by("due_at", "user_id")


def due_of(enrolment: Enrolment) -> Due | None:
    """The person's own date, else that of the class; none for who learns alone."""
    return dues_of([enrolment]).get(enrolment.pk)


def timeliness(
    due: Due, standing: CourseStanding | None, *, now: datetime | None = None
) -> Timeliness:
    """Nobody is late whose work waits for a device: it is the server that is not done."""
    if standing is not None and standing.is_complete:
        return Timeliness.DONE
    if due.at > (now or timezone.now()):
        return Timeliness.AHEAD
    if standing is not None and any(item.standing == Standing.WAITING for item in standing.steps):
        return Timeliness.WAITING
    return Timeliness.LATE
