"""Progress is a fold of facts: it grows, passes only by evidence, and never goes back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Cohort, Membership, User
from common.errors import ConflictError, InvalidInputError
from courses.execution.verifying import verify_step
from courses.models import (
    CheckResult,
    CohortCourse,
    Course,
    CourseVersion,
    ScoreEvent,
    StepProgress,
)
from courses.selectors.progress import Standing, standing_of
from courses.services.answering import answer_quiz
from courses.services.enrolling import begin_course
from courses.services.hinting import open_hint
from courses.services.publishing import publish_courses
from courses.services.reading import beat, open_step
from courses.tests.factories import enrol, publish_sample
from courses.tests.writing import HELLO, QUIZ, write_course, write_texts

pytestmark = pytest.mark.django_db


def states(enrolment: Any) -> list[str]:
    return [item.standing.value for item in standing_of(enrolment).steps]


def read_first(enrolment: Any) -> None:
    """The clock of the reading step is turned back, in place of waiting."""
    open_step(enrolment, "hello")
    StepProgress.objects.filter(enrolment=enrolment, step_key="hello").update(
        last_seen_at=timezone.now() - timedelta(seconds=5)
    )
    beat(enrolment, "hello")
    verify_step(enrolment, "hello")


def test_a_step_opens_when_the_one_before_it_is_passed(tmp_path: Path, student: User) -> None:
    publish_sample(tmp_path)
    enrolment = enrol(student, "sample")
    assert states(enrolment) == ["available", "locked"]
    with pytest.raises(ConflictError):
        open_step(enrolment, "quiz")
    read_first(enrolment)
    assert states(enrolment) == ["passed", "available"]


def test_opening_a_page_is_not_reading_it(tmp_path: Path, student: User) -> None:
    publish_sample(tmp_path)
    enrolment = enrol(student, "sample")
    open_step(enrolment, "hello")
    progress = verify_step(enrolment, "hello", is_try=True)
    assert progress.checks["opened"]["reason"] == "read_too_short"
    assert states(enrolment)[0] == "working"


def test_time_is_counted_by_the_server_and_absence_is_not(tmp_path: Path, student: User) -> None:
    publish_sample(tmp_path)
    enrolment = enrol(student, "sample")
    open_step(enrolment, "hello")
    StepProgress.objects.update(last_seen_at=timezone.now() - timedelta(hours=3))
    assert beat(enrolment, "hello").active_seconds == 30
    assert beat(enrolment, "hello").active_seconds <= 31


def test_a_course_is_complete_with_its_last_required_step(tmp_path: Path, student: User) -> None:
    publish_sample(tmp_path)
    enrolment = enrol(student, "sample")
    read_first(enrolment)
    answer_quiz(enrolment, "quiz", {"first": ["b"]})
    assert standing_of(enrolment).percent == 0
    answer_quiz(enrolment, "quiz", {"first": ["a"]})
    enrolment.refresh_from_db()
    assert enrolment.completed_at is not None
    assert standing_of(enrolment).percent == 100
    assert standing_of(enrolment).next_step is None


def test_a_passed_step_stays_passed(tmp_path: Path, student: User) -> None:
    publish_sample(tmp_path)
    enrolment = enrol(student, "sample")
    read_first(enrolment)
    answer_quiz(enrolment, "quiz", {"first": ["a"]})
    answer_quiz(enrolment, "quiz", {"first": ["b"]})
    assert states(enrolment) == ["passed", "passed"]
    assert ScoreEvent.objects.filter(step_key="quiz").count() == 1


def test_looking_again_writes_nothing_new(tmp_path: Path, student: User) -> None:
    publish_sample(tmp_path)
    enrolment = enrol(student, "sample")
    open_step(enrolment, "hello")
    for _ in range(3):
        verify_step(enrolment, "hello")
    assert CheckResult.objects.count() == 1


def test_a_missing_answer_is_refused_and_nothing_is_kept(tmp_path: Path, student: User) -> None:
    publish_sample(tmp_path)
    enrolment = enrol(student, "sample")
    read_first(enrolment)
    for answer in ({}, {"first": []}, {"first": ["z"]}, {"first": ["a", "b"]}, {"first": "a"}):
        with pytest.raises(InvalidInputError):
            answer_quiz(enrolment, "quiz", answer)
    assert not enrolment.quiz_answers.exists()


def test_hints_open_by_tries(tmp_path: Path, student: User) -> None:
    hint = {"after": 2, "en": "Look again.", "ja": "もう一度。"}
    check = QUIZ["checks"][0] | {"hints": [hint]}
    publish_sample(tmp_path, {"quiz": QUIZ | {"checks": [check]}})
    enrolment = enrol(student, "sample")
    answer_quiz(enrolment, "quiz", {"first": ["b"]})
    with pytest.raises(ConflictError):
        open_hint(enrolment, "quiz", "right", 1)
    answer_quiz(enrolment, "quiz", {"first": ["b"]})
    assert open_hint(enrolment, "quiz", "right", 1).level == 1


def test_beginning_twice_begins_once_and_keeps_its_version(tmp_path: Path, student: User) -> None:
    course = publish_sample(tmp_path)
    first, is_new = begin_course(student, course)
    write_texts(tmp_path / "sample", "hello", "# Another\n\nText.\n")
    publish_courses(tmp_path)
    second, is_new_again = begin_course(student, course)
    assert (is_new, is_new_again) == (True, False)
    assert second == first
    assert CourseVersion.objects.get(pk=second.version_id).number == 1


def test_a_later_course_waits_for_the_one_before(tmp_path: Path, student: User) -> None:
    write_course(tmp_path / "one")
    write_course(tmp_path / "two", {"slug": "second", "level": 2, "requires": ["sample"]})
    publish_courses(tmp_path)
    with pytest.raises(ConflictError):
        begin_course(student, Course.objects.get(slug="second"))


def test_a_cohort_pins_the_version_and_says_when_it_opens(tmp_path: Path, student: User) -> None:
    course = publish_sample(tmp_path)
    pinned = course.versions.get()
    write_texts(tmp_path / "sample", "hello", "# Another\n\nText.\n")
    publish_courses(tmp_path)
    cohort = Cohort.objects.create(name="Class")
    Membership.objects.create(cohort=cohort, user=student)
    row = CohortCourse.objects.create(
        cohort=cohort,
        course=course,
        version=pinned,
        release_at=timezone.now() + timedelta(days=1),
    )
    with pytest.raises(ConflictError):
        begin_course(student, course)
    CohortCourse.objects.filter(pk=row.pk).update(release_at=None)
    enrolment, _is_new = begin_course(student, course)
    assert (enrolment.cohort, enrolment.version) == (cohort, pinned)


def test_an_instructor_opens_a_step_for_all(tmp_path: Path, student: User) -> None:
    course = publish_sample(tmp_path)
    cohort = Cohort.objects.create(name="Class")
    Membership.objects.create(cohort=cohort, user=student)
    CohortCourse.objects.create(
        cohort=cohort, course=course, version=course.versions.get(), opened_steps=["quiz"]
    )
    enrolment, _is_new = begin_course(student, course)
    assert states(enrolment) == ["available", "available"]


def test_an_optional_step_locks_nothing_and_counts_for_nothing(
    tmp_path: Path, student: User
) -> None:
    publish_sample(tmp_path, {"hello": HELLO | {"required": False}, "quiz": QUIZ})
    enrolment = enrol(student, "sample")
    assert states(enrolment) == ["available", "available"]
    answer_quiz(enrolment, "quiz", {"first": ["a"]})
    assert standing_of(enrolment).percent == 100
    assert standing_of(enrolment).of("hello").standing == Standing.AVAILABLE
