"""Courses and enrolments for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from accounts.models import User
from courses.models import Course, Enrolment
from courses.services.enrolling import begin_course
from courses.services.publishing import publish_courses
from courses.tests.writing import write_course


def publish_sample(
    folder: Path, steps: dict[str, dict[str, Any]] | None = None, **about: Any
) -> Course:
    """The course `sample`, from files; `about` is laid over what its course.yml says."""
    write_course(folder / "sample", about, steps)
    publish_courses(folder)
    return Course.objects.get(slug="sample")


def enrol(user: User, slug: str) -> Enrolment:
    enrolment, _is_new = begin_course(user, Course.objects.get(slug=slug))
    return enrolment
