"""A class that takes the sample course, for tests of its roster."""

from __future__ import annotations

from pathlib import Path

from django.urls import reverse

from accounts.models import Cohort, Membership, User
from courses.models import CohortCourse
from courses.tests.factories import publish_sample

Role = Membership.Role


def make_class(instructor: User, *students: User, name: str = "Class A") -> Cohort:
    cohort = Cohort.objects.create(name=name)
    join(cohort, instructor, Role.INSTRUCTOR)
    for student in students:
        join(cohort, student)
    return cohort


def join(cohort: Cohort, user: User, role: str = Role.STUDENT) -> Membership:
    return Membership.objects.create(cohort=cohort, user=user, role=role)


def make_student(cohort: Cohort, number: int) -> User:
    user = User.objects.create_user(f"student{number}", f"student{number}@example.org")
    join(cohort, user)
    return user


def take_sample(cohort: Cohort, folder: Path) -> CohortCourse:
    course = publish_sample(folder)
    return CohortCourse.objects.create(cohort=cohort, course=course, version=course.versions.get())


def address(cohort: Cohort, name: str = "roster", *args: object) -> str:
    return reverse(f"classroom:{name}", args=[cohort.pk, *args])
