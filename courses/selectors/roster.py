"""The people of a class as its roster shows them: who they are, how far, until when; and who is expected."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.db.models import Max, Q, QuerySet, Value
from django.db.models.functions import Coalesce, Lower, NullIf
from django.http import QueryDict

from accounts.models import Cohort, Membership, RosterEntry
from courses.models import StepProgress
from courses.selectors.cohorts import members_standing
from courses.selectors.due import Due, DueDates
from courses.selectors.names import shown_names
from courses.selectors.pinned import PinnedCourse

ROWS_PER_PAGE = 50
SEARCH_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class RosterFilters:
    """What the address of the roster asks for.

    Attributes:
        role: empty for all.
    """

    search: str = ""
    role: str = ""

    @classmethod
    def of(cls, query: QueryDict, *, is_projected: bool) -> RosterFilters:
        """On a projected page nobody is searched by name: a hit would give a made-up name away."""
        search = "" if is_projected else query.get("q", "").replace("\0", "").strip()
        role = query.get("role", "")
        return cls(search[:SEARCH_CHARACTERS], role if role in Membership.Role.values else "")

    @property
    def is_narrowed(self) -> bool:
        return bool(self.search or self.role)

    def apply(self, members: QuerySet[Membership]) -> QuerySet[Membership]:
        if self.role:
            members = members.filter(role=self.role)
        if self.search:
            members = members.filter(
                Q(user__display_name__icontains=self.search)
                | Q(user__username__icontains=self.search)
                | Q(user__email__icontains=self.search)
            )
        return members


@dataclass(frozen=True, slots=True)
class CourseCell:
    """One person in one course.

    Attributes:
        percent: empty for who has not begun it with the class.
    """

    percent: int | None
    due: Due | None


@dataclass(frozen=True, slots=True)
class RosterRow:
    """A member of the class.

    Attributes:
        active_at: when they signed in or had a step open last.
        cells: one for each course of the class.
    """

    member: Membership
    name: str
    active_at: datetime | None
    cells: tuple[CourseCell, ...]

    @property
    def is_student(self) -> bool:
        return self.member.role == Membership.Role.STUDENT


def members_of(
    cohort: Cohort, filters: RosterFilters, *, is_projected: bool
) -> QuerySet[Membership]:
    """By their names, or by their numbers where the names are made up: the order would tell who is who."""
    found = Membership.objects.filter(cohort=cohort).select_related("user")
    name = Lower(Coalesce(NullIf("user__display_name", Value("")), "user__username"))
    return filters.apply(found).order_by(*(["pseudonym"] if is_projected else [name, "pk"]))


def roster_page(
    cohort: Cohort,
    courses: list[PinnedCourse],
    filters: RosterFilters,
    page: str | None,
    *,
    is_projected: bool,
) -> tuple[Page[Membership], list[RosterRow]]:
    """One page of the roster; in as many queries for a large class as for a small one."""
    names = shown_names(cohort, is_projected=is_projected)
    members = members_of(cohort, filters, is_projected=is_projected)
    shown: Page[Membership] = Paginator(members, ROWS_PER_PAGE).get_page(page)
    return shown, rows_of(cohort, courses, list(shown.object_list), names)


def rows_of(
    cohort: Cohort, courses: list[PinnedCourse], members: list[Membership], names: dict[int, str]
) -> list[RosterRow]:
    ids = [member.user_id for member in members]
    percents = {
        (item.enrolment.user_id, item.enrolment.course_id): item.percent
        for item in members_standing(cohort, ids)
    }
    dates = DueDates([course.row for course in courses], ids)
    seen = _last_seen(cohort, ids)

    def cells(member: Membership) -> Iterator[CourseCell]:
        for course in courses:
            percent = percents.get((member.user_id, course.row.course_id))
            is_student = member.role == Membership.Role.STUDENT
            due = dates.of(course.row.pk, member.user_id) if is_student else None
            yield CourseCell(percent, due)

    return [
        RosterRow(
            member,
            names.get(member.user_id, ""),
            max(filter(None, (member.user.last_login, seen.get(member.user_id))), default=None),
            tuple(cells(member)),
        )
        for member in members
    ]


def _last_seen(cohort: Cohort, user_ids: Collection[int]) -> dict[int, datetime]:
    steps = StepProgress.objects.filter(
        enrolment__cohort=cohort, enrolment__user_id__in=user_ids, last_seen_at__isnull=False
    )
    grouped = steps.order_by().values("enrolment__user_id").annotate(newest=Max("last_seen_at"))
    return dict(grouped.values_list("enrolment__user_id", "newest"))


def expected_people(cohort: Cohort) -> QuerySet[RosterEntry]:
    """Those in the roster who are not here yet."""
    return RosterEntry.objects.filter(cohort=cohort, claimed_by=None)


def get_member(cohort: Cohort, member_id: UUID) -> Membership | None:
    return Membership.objects.filter(cohort=cohort, pk=member_id).select_related("user").first()


def students_of(cohort: Cohort, user_ids: Collection[int]) -> QuerySet[Membership]:
    """Those of the people who are students of the class."""
    students = Membership.objects.filter(
        cohort=cohort, role=Membership.Role.STUDENT, user_id__in=user_ids
    )
    return students.select_related("user").order_by("user__display_name", "user__username")
