"""The funnel counts a class, step by step, and says where it gets stuck."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Membership, User
from courses.models import CheckResult, StepProgress
from courses.selectors.funnel import Funnel, Stage, funnel
from courses.selectors.pinned import pinned_courses
from courses.services.answering import answer_quiz
from courses.services.reading import open_step
from courses.tests.classes import Role, World, make_world

pytestmark = pytest.mark.django_db
ClientOf = Callable[[User], Client]


@pytest.fixture
def world(tmp_path: Path, instructor: User) -> World:
    world = make_world(tmp_path)
    world.add(instructor, Role.INSTRUCTOR)
    return world


def funnel_of(world: World, **options: bool) -> Funnel:
    (course,) = pinned_courses(world.cohort)
    return funnel(world.cohort, course, **options)


def stage(world: World, key: str = "quiz", **options: bool) -> Stage:
    return next(stage for stage in funnel_of(world, **options).stages if stage.key == key)


def address(world: World, name: str = "funnel", *args: str) -> str:
    return reverse(f"classroom:{name}", args=[world.cohort.pk, *args])


def fail(world: World, user: User, step: str = "quiz") -> None:
    answer_quiz(world.enrolment(user), step, {"first": ["b"]})


def test_reached_working_passed_and_exempt(world: World) -> None:
    people = [world.student(f"s{number}") for number in range(5)]
    for user in people[:4]:
        open_step(world.enrolment(user), "quiz")
    world.passes(people[0], "quiz")
    fail(world, people[1])
    StepProgress.objects.filter(enrolment__user=people[2]).update(state="waiting")
    StepProgress.objects.filter(enrolment__user=people[3]).update(state="exempt")
    found = stage(world)
    assert (found.reached, found.working, found.waiting) == (3, 2, 1)
    assert (found.passed, found.exempt) == (1, 1)
    assert funnel_of(world).begun_count == 5


@pytest.mark.parametrize(
    ("seconds", "median"), [([60], 1), ([60, 600, 120], 2), ([60, 120, 240, 6000], 3)]
)
def test_minutes_are_the_median_of_those_who_passed(
    world: World, seconds: list[int], median: float
) -> None:
    for number, active in enumerate([*seconds, 100_000]):
        user = world.student(f"s{number}")
        if number < len(seconds):
            world.passes(user, "quiz")
        else:
            fail(world, user)
        StepProgress.objects.filter(enrolment__user=user).update(active_seconds=active)
    assert stage(world).minutes == median
    assert stage(world, "last").minutes is None


def test_tries_and_hints(world: World) -> None:
    first, second = world.student("first"), world.student("second")
    fail(world, first)
    fail(world, first)
    for user in (first, second):
        world.passes(user, "quiz")
    world.enrolment(first).hint_views.create(step_key="quiz", check_key="right", level=1)
    assert (stage(world).tries, stage(world).hints) == (1, 1)


def test_a_step_that_fewer_than_half_passed_is_pointed_out(
    world: World, client_of: ClientOf, instructor: User
) -> None:
    people = [world.student(f"s{number}") for number in range(4)]
    for user in people[:2]:
        world.passes(user, "quiz")
    for user in people[2:]:
        fail(world, user)
    page = client_of(instructor).get(address(world)).content.decode()
    assert not funnel_of(world).narrow
    assert "Fewer than half" not in page
    fail(world, world.student("s4"))
    page = client_of(instructor).get(address(world)).content.decode()
    assert "Step 2, The step quiz: 2 of 5 passed." in page
    assert "Most often not met: 1 question is answered right." in page


def test_the_check_that_most_students_failed_is_told_with_the_newest_failure(
    world: World,
) -> None:
    dana, emil = world.student("dana"), world.student("emil", display_name="Emil")
    for user in (dana, emil):
        fail(world, user)
    for _number in range(3):
        CheckResult.objects.create(
            enrolment=world.enrolment(dana), step_key="quiz", check_key="gone", outcome="fail"
        )
    obstacle = stage(world).obstacle
    assert obstacle is not None
    assert (obstacle.student_count, obstacle.name) == (2, "Emil")
    assert obstacle.title == "1 question is answered right"
    assert "0 of 1 answers are right; 1 are needed." in obstacle.sentence


def test_nothing_of_a_student_is_named_to_a_projector(
    world: World, client_of: ClientOf, instructor: User
) -> None:
    user = world.student("dana", display_name="Dana Real")
    fail(world, user)
    CheckResult.objects.update(
        reason="job_not_completed", observed={"name": "Danas job", "status": "cancelled"}
    )
    client = client_of(instructor)
    plain = client.get(address(world)).content.decode()
    assert "Dana Real" in plain
    assert "Danas job" in plain
    projected = client.get(address(world), {"projected": "1"}).content.decode()
    assert "Dana Real" not in projected
    assert "Danas job" not in projected


def test_others_are_not_counted(world: World, instructor: User) -> None:
    world.cohort.enrolments.create(
        user=instructor, course=world.course, version=world.pinned.version
    )
    fail(world, instructor)
    gone = world.student("gone")
    fail(world, gone)
    Membership.objects.filter(user=gone).delete()
    found = funnel_of(world)
    assert found.begun_count == 0
    assert stage(world).reached == 0
    assert stage(world).obstacle is None


def test_who_may_look(
    world: World, client_of: ClientOf, student: User, other_student: User
) -> None:
    observer = world.add(other_student, Role.OBSERVER)
    assert client_of(observer).get(address(world)).status_code == 200
    assert client_of(student).get(address(world)).status_code == 404
    assert client_of(world.student("dana")).get(address(world)).status_code == 404


def test_empty_states(world: World, client_of: ClientOf, instructor: User) -> None:
    client = client_of(instructor)
    assert "Nobody has begun this course yet" in client.get(address(world)).content.decode()
    assert client.get(address(world, "funnel_course", "another")).status_code == 404
    world.pinned.delete()
    assert "This class takes no course yet" in client.get(address(world)).content.decode()


def test_the_number_of_queries_does_not_grow(
    world: World, client_of: ClientOf, instructor: User
) -> None:
    client = client_of(instructor)

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            client.get(address(world))
        return len(queries)

    def add(numbers: range) -> None:
        for number in numbers:
            user = world.student(f"s{number}")
            fail(world, user)
            world.passes(user, "last")

    add(range(3))
    few = count()
    add(range(3, 12))
    assert count() == few
