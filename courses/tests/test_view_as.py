"""A student's pages as those who lead the class may look at them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEvent, Cohort, User
from courses.execution.verifying import verify_step
from courses.models import CohortCourse, Enrolment, HintView, StepProgress
from courses.selectors.disguise import job_pseudonym
from courses.tests.factories import enrol, publish_sample
from courses.tests.roster_class import Role, address, join, make_class, make_student
from courses.tests.writing import QUIZ
from training.tests.factories import make_completed_job, make_training_job

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
HINT = {"after": 1, "en": "Read it again.", "ja": "もう一度読みましょう。"}
STEPS: dict[str, dict[str, Any]] = {
    "quiz": QUIZ | {"checks": [QUIZ["checks"][0] | {"hints": [HINT]}]},
    "next": QUIZ,
}


@pytest.fixture
def cohort(instructor: User, student: User, tmp_path: Path) -> Cohort:
    cohort = make_class(instructor, student)
    course = publish_sample(tmp_path, STEPS)
    CohortCourse.objects.create(cohort=cohort, course=course, version=course.versions.get())
    return cohort


def look(client: Client, cohort: Cohort, person: User) -> str:
    answer = client.get(address(cohort, "student", person.pk))
    assert answer.status_code == 200
    return answer.content.decode()


def test_it_shows_what_the_student_sees(
    cohort: Cohort, student: User, instructor: User, client_of: SignIn
) -> None:
    client = client_of(instructor)
    assert "Not begun yet." in look(client, cohort, student)
    enrolment = enrol(student, "sample")
    verify_step(enrolment, "quiz", is_try=True)
    HintView.objects.create(enrolment=enrolment, step_key="quiz", check_key="right", level=1)
    make_completed_job(student, cohort=cohort, name="In class")
    make_training_job(student, name="At home")
    page = look(client, cohort, student)
    assert f"You look at it as {student} sees it; nothing can be changed here." in page
    assert "1 question is answered right: not yet" in page
    assert "Read it again." in page
    assert "1 try" in page
    assert "1 hint opened" in page
    assert "In class" in page
    # What they train outside of the class is their own.
    assert "At home" not in page
    assert "<button" not in page.partition("<main")[2].partition("</main>")[0]


def test_looking_changes_nothing_and_is_written_down_once_a_day(
    cohort: Cohort, student: User, instructor: User, client_of: SignIn
) -> None:
    enrolment = enrol(student, "sample")
    observer = User.objects.create_user("olga")
    join(cohort, observer, Role.OBSERVER)
    for person in (instructor, instructor, observer):
        look(client_of(person), cohort, student)
    assert not StepProgress.objects.filter(enrolment=enrolment).exists()
    events = AuditEvent.objects.filter(kind="viewed_as", person=student, cohort=cohort)
    assert sorted(str(event.actor) for event in events) == ["chiyo", "olga"]
    events.update(created_at=timezone.now() - timedelta(days=1, hours=1))
    look(client_of(instructor), cohort, student)
    assert AuditEvent.objects.filter(actor=instructor).count() == 2


def test_only_students_of_the_class_can_be_looked_at(
    cohort: Cohort, instructor: User, other_student: User, client_of: SignIn
) -> None:
    make_class(User.objects.create_user("second"), other_student, name="Other")
    assistant = User.objects.create_user("taro")
    join(cohort, assistant, Role.ASSISTANT)
    client = client_of(instructor)
    for user_id in (other_student.pk, assistant.pk, instructor.pk, 0, 10**25):
        assert client.get(address(cohort, "student", user_id)).status_code == 404
    assert client.post(address(cohort, "student", other_student.pk)).status_code == 405
    assert not AuditEvent.objects.exists()


def test_a_course_begun_elsewhere_stays_private(
    cohort: Cohort, student: User, instructor: User, client_of: SignIn
) -> None:
    enrolment = enrol(student, "sample")
    verify_step(enrolment, "quiz", is_try=True)
    Enrolment.objects.filter(pk=enrolment.pk).update(cohort=None)
    page = look(client_of(instructor), cohort, student)
    assert "Begun outside of this class" in page
    assert "not yet" not in page


def test_a_projected_page_shows_neither_name_nor_names_of_jobs(
    cohort: Cohort, student: User, instructor: User, client_of: SignIn
) -> None:
    job = make_completed_job(student, cohort=cohort, name="Aiko's first")
    page = client_of(instructor).get(address(cohort, "student", student.pk) + "?projected=1")
    text = page.content.decode()
    assert "Aiko" not in text
    assert "aiko" not in text
    assert job_pseudonym(job) in text


def test_it_takes_no_more_queries_in_a_larger_class(
    cohort: Cohort, student: User, instructor: User, client_of: SignIn
) -> None:
    client = client_of(instructor)
    enrol(student, "sample")

    def queries() -> int:
        with CaptureQueriesContext(connection) as found:
            look(client, cohort, student)
        return len(found)

    queries()
    few = queries()
    for number in range(9):
        enrol(make_student(cohort, number), "sample")
    assert queries() == few
