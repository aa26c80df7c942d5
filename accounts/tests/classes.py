"""Classes and their people for tests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.models import Cohort, Membership, User

CODE = "ABCD2345"


def make_class(leader: User, *, name: str = "Class 2B", **fields: Any) -> Cohort:
    """One that can be joined by CODE for a day."""
    fields = {
        "join_code": CODE,
        "join_code_expires_at": timezone.now() + timedelta(days=1),
    } | fields
    cohort = Cohort.objects.create(name=name, **fields)
    put(leader, cohort, Membership.Role.INSTRUCTOR)
    return cohort


def put(person: User, cohort: Cohort, role: str = Membership.Role.STUDENT) -> Membership:
    return Membership.objects.create(user=person, cohort=cohort, role=role)


def make_students(cohort: Cohort, count: int) -> list[User]:
    people = [User.objects.create(username=f"{cohort.name}-{number}") for number in range(count)]
    for person in people:
        put(person, cohort)
    return people
