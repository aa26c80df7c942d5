"""The course calls of the API."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Cohort, Membership, User
from courses.models import CohortCourse, Course
from courses.services.enrolling import begin_course
from courses.tests.factories import publish_sample

pytestmark = pytest.mark.django_db


@pytest.fixture
def course(tmp_path: Path) -> Course:
    return publish_sample(tmp_path)


@pytest.fixture
def client(student: User, client_of: Callable[[User], Client]) -> Client:
    return client_of(student)


def test_a_course_is_listed_begun_and_looked_at(client: Client, course: Course) -> None:
    (listed,) = client.get("/api/courses").json()
    assert (listed["slug"], listed["percent"], listed["step_count"]) == ("sample", None, 2)
    assert [step["state"] for step in client.get("/api/courses/sample").json()["steps"]] == [
        "locked",
        "locked",
    ]
    assert client.post("/api/courses/sample/begin").status_code == 201
    assert client.post("/api/courses/sample/begin").status_code == 200
    looked = client.post("/api/courses/sample/steps/hello/check").json()
    (check,) = looked["checks"]
    assert (check["outcome"], check["reason"]) == ("fail", "read_too_short")
    assert check["observed"] == {"seconds": 0}
    assert check["wanted"] == {"seconds": 1}
    assert check["message"]
    (mine,) = client.get("/api/me/progress").json()
    assert (mine["percent"], mine["next_step"]) == (0, "hello")


def test_what_is_not_there_is_404_and_what_is_locked_409(client: Client, course: Course) -> None:
    assert client.get("/api/courses/nothing").status_code == 404
    assert client.post("/api/courses/sample/steps/hello/check").status_code == 404
    client.post("/api/courses/sample/begin")
    assert client.post("/api/courses/sample/steps/nothing/check").status_code == 404
    assert client.post("/api/courses/sample/steps/quiz/check").status_code == 409


def test_sent_evidence_counts_for_nothing(client: Client, course: Course) -> None:
    client.post("/api/courses/sample/begin")
    forged = {"outcome": "pass", "observed": {"seconds": 999}, "active_seconds": 999}
    answer = client.post(
        "/api/courses/sample/steps/hello/check", forged, content_type="application/json"
    )
    assert answer.json()["state"] == "working"


def test_words_come_in_the_callers_language(client: Client, course: Course) -> None:
    client.post("/api/courses/sample/begin")
    answer = client.get("/api/courses/sample", headers={"Accept-Language": "ja"}).json()
    assert answer["title"] == "見本"
    assert answer["steps"][0]["title"] == "ステップhello"


def test_a_cohort_is_seen_by_those_who_lead_it(
    client: Client,
    course: Course,
    student: User,
    instructor: User,
    client_of: Callable[[User], Client],
) -> None:
    cohort = Cohort.objects.create(name="Class")
    Membership.objects.create(cohort=cohort, user=student)
    Membership.objects.create(cohort=cohort, user=instructor, role=Membership.Role.INSTRUCTOR)
    CohortCourse.objects.create(cohort=cohort, course=course, version=course.versions.get())
    begin_course(student, course)
    address = f"/api/cohorts/{cohort.pk}/progress"
    assert client.get(address).status_code == 404
    (member,) = client_of(instructor).get(address).json()
    assert (member["name"], member["percent"], member["current_step"]) == ("aiko", 0, "hello")


def test_a_larger_cohort_costs_no_more_queries(
    course: Course, instructor: User, client_of: Callable[[User], Client]
) -> None:
    cohort = Cohort.objects.create(name="Class")
    Membership.objects.create(cohort=cohort, user=instructor, role=Membership.Role.INSTRUCTOR)
    CohortCourse.objects.create(cohort=cohort, course=course, version=course.versions.get())
    client = client_of(instructor)
    counts = []
    for size in (2, 12):
        for number in range(size):
            person, is_new = User.objects.get_or_create(username=f"person-{number}")
            if is_new:
                Membership.objects.create(cohort=cohort, user=person)
                begin_course(person, course)
        client.get(f"/api/cohorts/{cohort.pk}/progress")
        with CaptureQueriesContext(connection) as queries:
            assert len(client.get(f"/api/cohorts/{cohort.pk}/progress").json()) == size
        counts.append(len(queries))
    assert counts[0] == counts[1]
