"""Begin a course: alone, or with the cohort that takes it."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Cohort, User
from common.errors import ConflictError, NotFoundError
from courses.models import CohortCourse, Course, CourseVersion, Enrolment
from courses.selectors.class_time import zone_of
from courses.selectors.content import content_of, newest_version
from courses.selectors.progress import finished_course_slugs


def begin_course(user: User, course: Course) -> tuple[Enrolment, bool]:
    """The person's enrolment, and whether it was made just now. Beginning twice begins once.

    Raises:
        NotFoundError: the course was never published.
        ConflictError: an earlier course is to be finished first, or the cohort's course is not open yet.
    """
    known = Enrolment.objects.filter(user=user, course=course).first()
    if known is not None:
        return known, False
    pinned = cohort_course_of(user, course)
    version = _version(course, pinned)
    _check_order(user, version, pinned)
    cohort = pinned.cohort if pinned else None
    try:
        with transaction.atomic():
            enrolment = Enrolment.objects.create(
                user=user, course=course, version=version, cohort=cohort
            )
    except IntegrityError:
        # Pressed twice.
        return Enrolment.objects.get(user=user, course=course), False
    return enrolment, True


def cohort_course_of(user: User, course: Course) -> CohortCourse | None:
    """Where a cohort of the person's takes the course; that of the newest cohort when there are several."""
    cohorts = Cohort.objects.of(user).values("pk")
    found = CohortCourse.objects.filter(course=course, cohort__in=cohorts)
    return found.select_related("cohort", "version").order_by("-cohort__created_at").first()


def _version(course: Course, pinned: CohortCourse | None) -> CourseVersion:
    if pinned is not None:
        return pinned.version
    try:
        return newest_version(course)
    except CourseVersion.DoesNotExist as error:
        raise NotFoundError(_("There is no such course.")) from error


def _check_order(user: User, version: CourseVersion, pinned: CohortCourse | None) -> None:
    if pinned is not None and pinned.release_at is not None and pinned.release_at > timezone.now():
        opens = pinned.release_at.astimezone(zone_of(pinned.cohort))
        raise ConflictError(
            _("This course opens for your class on %(date)s at %(time)s. Come back then.")
            % {"date": f"{opens:%Y-%m-%d}", "time": f"{opens:%H:%M}"}
        )
    missing = set(content_of(version.pk).about.requires) - finished_course_slugs(user.pk)
    # An instructor who pins a later course has decided that the class is ready for it.
    if missing and pinned is None and not user.is_staff:
        raise ConflictError(
            _("Finish the course before this one first. It teaches what this course builds on.")
        )
