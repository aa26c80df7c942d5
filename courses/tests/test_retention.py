"""The work of a class is erased when the time for which it is kept is over."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from accounts.models import AuditEvent, Cohort, Membership, Notification, RosterEntry, User
from accounts.notifications_wording import notification_text, notification_title
from courses.execution.retention import erase_old_classes
from courses.models import Certificate, CohortCourse, Enrolment, StepProgress
from courses.services.reading import open_step
from courses.tests.factories import enrol, publish_sample
from datasets_app.models import Dataset
from training.models import TrainingJob
from training.tests.factories import make_completed_job, make_running_job

pytestmark = pytest.mark.django_db


@pytest.fixture
def cohort(instructor: User, student: User, tmp_path: Path) -> Cohort:
    """Over for so long that its work is erased today, with work of a student and of its instructor."""
    today = timezone.localdate()
    cohort = Cohort.objects.create(
        name="Class 2B", ends_on=today - timedelta(days=31), retention_days=30, join_code="ABCD2345"
    )
    Membership.objects.create(cohort=cohort, user=instructor, role="instructor")
    Membership.objects.create(cohort=cohort, user=student)
    RosterEntry.objects.create(cohort=cohort, email="aiko@example.org", claimed_by=student)
    course = publish_sample(tmp_path)
    CohortCourse.objects.create(cohort=cohort, course=course, version=course.versions.get(number=1))
    for person in (student, instructor):
        open_step(enrol(person, "sample"), "hello")
    return cohort


def set_days(cohort: Cohort, days_until_erased: int) -> date:
    day = timezone.localdate() + timedelta(days=days_until_erased)
    Cohort.objects.filter(pk=cohort.pk).update(ends_on=day - timedelta(days=31))
    return day


def test_the_work_of_its_students_goes(cohort: Cohort, student: User, instructor: User) -> None:
    job = make_completed_job(student, cohort=cohort)
    alone = make_completed_job(student)
    led = make_completed_job(instructor, cohort=cohort)
    assert Enrolment.objects.filter(cohort=cohort).count() == 2
    assert erase_old_classes() == 1
    assert set(TrainingJob.objects.all()) == {alone, led}
    assert not default_storage.exists(f"jobs/{job.pk}/adapter/adapter_config.json")
    assert [enrolment.user for enrolment in Enrolment.objects.all()] == [instructor]
    assert [member.user for member in cohort.memberships.all()] == [instructor]
    assert not RosterEntry.objects.exists()
    # A person's own data stay.
    assert Dataset.objects.filter(owner=student).count() == 2
    assert User.objects.filter(pk=student.pk, is_active=True).exists()
    cohort.refresh_from_db()
    assert (cohort.status, cohort.join_code) == ("closed", "")
    entry = AuditEvent.objects.get()
    assert (entry.kind, entry.cohort, entry.actor, entry.details) == (
        "data_retained",
        cohort,
        None,
        {"students": 1},
    )


def test_it_happens_once(cohort: Cohort) -> None:
    assert [erase_old_classes() for _turn in range(3)] == [1, 0, 0]
    assert AuditEvent.objects.count() == 1


def test_nothing_goes_before_its_day(cohort: Cohort) -> None:
    set_days(cohort, 1)
    assert erase_old_classes() == 0
    assert Enrolment.objects.count() == 2


@pytest.mark.parametrize("field", ["ends_on", "retention_days"])
def test_without_a_time_nothing_goes(cohort: Cohort, field: str) -> None:
    Cohort.objects.update(**{field: None})
    assert erase_old_classes() == 0
    assert Enrolment.objects.count() == 2


def test_other_classes_are_left_alone(cohort: Cohort, other_student: User) -> None:
    other = Cohort.objects.create(name="Class 2C")
    Membership.objects.create(cohort=other, user=other_student)
    make_completed_job(other_student, cohort=other)
    erase_old_classes()
    assert other.memberships.count() == 1
    assert other.training_jobs.count() == 1


def test_a_job_that_runs_is_ended_first(cohort: Cohort, student: User) -> None:
    job, _lease = make_running_job(student, cohort=cohort)
    assert erase_old_classes() == 0
    job.refresh_from_db()
    assert job.cancel_requested_at is not None
    assert cohort.memberships.count() == 2
    TrainingJob.objects.filter(pk=job.pk).update(status="cancelled", lease_token=None)
    assert erase_old_classes() == 1
    assert not TrainingJob.objects.exists()


def test_a_certificate_stays_with_its_holder(cohort: Cohort, student: User) -> None:
    enrolment = Enrolment.objects.get(user=student)
    certificate = Certificate.objects.create(
        enrolment=enrolment,
        version=enrolment.version,
        name="Aiko",
        language="en",
        facts={},
        digest="0" * 64,
        signature="s",
        issued_at=timezone.now(),
    )
    erase_old_classes()
    certificate.refresh_from_db()
    enrolment.refresh_from_db()
    assert (certificate.enrolment, certificate.name) == (enrolment, "Aiko")
    assert enrolment.cohort is None
    assert not StepProgress.objects.filter(enrolment=enrolment).exists()


def test_leaders_are_told_once_two_weeks_before(
    cohort: Cohort, instructor: User, student: User
) -> None:
    set_days(cohort, 15)
    erase_old_classes()
    assert not Notification.objects.exists()
    day = set_days(cohort, 14)
    erase_old_classes()
    notice = Notification.objects.get()
    assert notice.user == instructor
    assert f"“Class 2B” is erased on {day}" in notification_title(notice)
    assert "longer" in notification_text(notice)
    Notification.objects.update(seen_at=timezone.now())
    erase_old_classes()
    assert Notification.objects.get().seen_at is not None
    # Another day is news.
    set_days(cohort, 10)
    erase_old_classes()
    assert Notification.objects.get().seen_at is None


def test_a_strange_time_zone_is_no_failure(cohort: Cohort) -> None:
    Cohort.objects.update(time_zone="Moon/Crater")
    assert erase_old_classes() == 1
