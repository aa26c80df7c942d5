"""A class with students and a course, for tests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.utils import timezone

from accounts.models import Cohort, Membership, User
from courses.models import CohortCourse, Course, Enrolment, StepProgress
from courses.services.answering import answer_quiz
from courses.services.enrolling import begin_course
from courses.services.publishing import publish_courses
from courses.tests.writing import HELLO, QUIZ, write_course
from training.tests.factories import make_person

Role = Membership.Role
STEPS = {
    "hello": HELLO | {"unlock": "any"},
    "quiz": QUIZ | {"weight": 2, "unlock": "any"},
    "last": QUIZ | {"unlock": "any"},
    "extra": QUIZ | {"required": False, "unlock": "any"},
}


@dataclass
class World:
    cohort: Cohort
    course: Course
    pinned: CohortCourse

    def add(self, user: User, role: Role = Role.STUDENT) -> User:
        Membership.objects.create(cohort=self.cohort, user=user, role=role)
        return user

    def student(self, username: str, *, begins: bool = True, **fields: object) -> User:
        user = self.add(make_person(username, **fields))
        if begins:
            begin_course(user, self.course)
        return user

    def enrolment(self, user: User) -> Enrolment:
        return Enrolment.objects.get(user=user, course=self.course)

    def passes(self, user: User, step: str, *, late_days: int | None = None) -> None:
        answer_quiz(self.enrolment(user), step, {"first": ["a"]})
        if late_days is not None:
            passed_at = timezone.now() + timedelta(days=late_days)
            steps = StepProgress.objects.filter(enrolment__user=user, step_key=step)
            steps.update(passed_at=passed_at)


def make_world(folder: Path, *, name: str = "Class 2B") -> World:
    write_course(folder / "sample", steps=STEPS)
    publish_courses(folder)
    course = Course.objects.get(slug="sample")
    cohort = Cohort.objects.create(name=name)
    pinned = CohortCourse.objects.create(
        cohort=cohort, course=course, version=course.versions.get()
    )
    return World(cohort, course, pinned)
