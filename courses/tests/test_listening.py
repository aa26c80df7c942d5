"""What happens elsewhere reaches the courses, and only those of people who are in one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from accounts.joining.entering import leave
from accounts.models import User
from accounts.tests.classes import make_class, put
from common.happenings import happened
from courses.models import PageView, StepProgress
from courses.services.reading import open_step
from courses.tasks import verify
from courses.tests.factories import enrol, publish_sample
from courses.tests.writing import HELLO
from training.tests.factories import make_completed_job

pytestmark = pytest.mark.django_db


def test_a_comparison_is_noted_once(
    tmp_path: Path,
    student: User,
    client_of: Callable[[User], Client],
    django_capture_on_commit_callbacks: Callable[..., object],
) -> None:
    publish_sample(tmp_path)
    enrol(student, "sample")
    jobs = [make_completed_job(student) for _ in range(2)]
    address = reverse("training:compare") + "?" + "&".join(f"job={job.pk}" for job in jobs)
    for _ in range(2):
        with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]
            assert client_of(student).get(address).status_code == 200
    view = PageView.objects.get()
    assert view.kind == "comparison"
    assert set(view.subject_id.split(",")) == {str(job.pk) for job in jobs}


def test_of_people_in_no_course_nothing_is_noted(
    student: User, django_capture_on_commit_callbacks: Callable[..., object]
) -> None:
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]
        happened("jobs_compared", student.pk, "a,b")
    assert not PageView.objects.exists()


def test_a_step_that_is_open_passes_when_its_job_ends(tmp_path: Path, student: User) -> None:
    checks = [{"key": "job", "is": "job.completed"}]
    publish_sample(tmp_path, {"train": HELLO | {"checks": checks}})
    enrolment = enrol(student, "sample")
    open_step(enrolment, "train")
    make_completed_job(student)
    verify(student.pk)
    verify(student.pk)
    assert StepProgress.objects.get().state == "passed"
    assert enrolment.evidence.count() == 1


def test_who_leaves_a_class_goes_on_alone(
    tmp_path: Path,
    student: User,
    instructor: User,
    django_capture_on_commit_callbacks: Callable[..., object],
) -> None:
    publish_sample(tmp_path)
    cohort, other = make_class(instructor), make_class(instructor, name="Other", join_code="")
    enrolment = enrol(student, "sample")
    enrolment.cohort = cohort
    enrolment.save()
    for left in (other, cohort):
        put(student, left)
        with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]
            leave(student, left)
        enrolment.refresh_from_db()
        assert enrolment.cohort == (None if left == cohort else cohort)


def test_who_is_back_at_once_stays_in_its_courses(
    tmp_path: Path,
    student: User,
    instructor: User,
    django_capture_on_commit_callbacks: Callable[..., object],
) -> None:
    publish_sample(tmp_path)
    cohort = make_class(instructor)
    enrolment = enrol(student, "sample")
    enrolment.cohort = cohort
    enrolment.save()
    put(student, cohort)
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]
        leave(student, cohort)
        put(student, cohort)
    enrolment.refresh_from_db()
    assert enrolment.cohort == cohort
