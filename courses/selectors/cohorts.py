"""How far the people of a cohort are, for those who lead it."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.utils.translation import gettext as _

from accounts.models import Cohort
from common.errors import NotFoundError
from courses.models import CohortCourse, Enrolment
from courses.selectors.content import content_of
from courses.selectors.progress import CourseStanding, fold

Person = AbstractBaseUser | AnonymousUser


def led_cohort(user: Person, cohort_id: UUID) -> Cohort:
    """
    Raises:
        NotFoundError: there is no such cohort, or the person does not lead it.
    """
    cohort = Cohort.objects.led_by(user).filter(pk=cohort_id).first()
    if cohort is None:
        raise NotFoundError(_("There is no class with this id that you lead."))
    return cohort


def members_standing(
    cohort: Cohort, user_ids: Collection[int] | None = None
) -> list[CourseStanding]:
    """Of everybody who takes a course with the cohort; in three queries, however many they are.

    Args:
        user_ids: of the only people that are wanted.
    """
    pinned = CohortCourse.objects.filter(cohort=cohort)
    opened = dict(pinned.values_list("course_id", "opened_steps"))
    enrolments = (
        Enrolment.objects.filter(cohort=cohort)
        .select_related("user", "course")
        .prefetch_related("steps")
        .order_by("course__level", "user__display_name", "user__username")
    )
    if user_ids is not None:
        enrolments = enrolments.filter(user_id__in=user_ids)
    return [
        fold(
            enrolment,
            content_of(enrolment.version_id),
            {row.step_key: row for row in enrolment.steps.all()},
            opened.get(enrolment.course_id, ()),
        )
        for enrolment in enrolments
    ]
