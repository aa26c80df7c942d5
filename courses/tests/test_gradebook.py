"""The gradebook shows what counts, and the page of a cell what proves it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import Cohort, Membership, User
from courses.models import (
    CheckResult,
    CohortCourse,
    DueOverride,
    Enrolment,
    Reflection,
    ScoreEvent,
    StepProgress,
)
from courses.selectors.gradebook import Gradebook, Row, gradebook
from courses.selectors.pinned import pinned_courses
from courses.services.answering import answer_quiz
from courses.services.feedback import give_feedback
from courses.services.publishing import publish_courses
from courses.tests.classes import STEPS, Role, World, make_world
from courses.tests.writing import write_course
from datasets_app.tests.factories import make_dataset
from training.tests.factories import make_completed_job

pytestmark = pytest.mark.django_db
ClientOf = Callable[[User], Client]


@pytest.fixture
def world(tmp_path: Path, instructor: User) -> World:
    world = make_world(tmp_path)
    world.add(instructor, Role.INSTRUCTOR)
    return world


def book_of(world: World, **options: object) -> Gradebook:
    (course,) = pinned_courses(world.cohort)
    return gradebook(world.cohort, course, **options)


def row_of(world: World, user: User) -> Row:
    return next(row for row in book_of(world).rows if row.user_id == user.pk)


def address(world: World, name: str = "gradebook", *args: object) -> str:
    return reverse(f"classroom:{name}", args=[world.cohort.pk, *args])


def test_points_state_total_and_percent(world: World, instructor: User) -> None:
    user = world.student("dana")
    world.passes(user, "quiz")
    answer_quiz(world.enrolment(user), "last", {"first": ["b"]})
    row = row_of(world, user)
    assert [cell.standing.value for cell in row.cells if cell.standing] == [
        "available",
        "passed",
        "working",
        "available",
    ]
    assert (row.total, row.max_total, row.percent) == (2, 3, 66)


def test_optional_and_exempt_steps_are_not_part_of_the_total(world: World) -> None:
    user = world.student("dana")
    world.passes(user, "extra")
    ScoreEvent.objects.create(
        enrolment=world.enrolment(user),
        step_key="quiz",
        kind=ScoreEvent.Kind.EXEMPT,
        points=0,
        max_points=2,
        reason="Was ill",
    )
    row = row_of(world, user)
    assert (row.total, row.max_total) == (0, 1)
    assert row.cells[1].is_exempt


def test_who_has_not_begun_has_a_row_and_stands_last(world: World, client_of: ClientOf) -> None:
    world.student("adam", begins=False)
    world.student("zoe")
    assert [row.username for row in book_of(world).rows] == ["zoe", "adam"]
    leader = User.objects.get(username="chiyo")
    assert "Has not begun this course" in client_of(leader).get(address(world)).content.decode()


def test_leaders_and_people_of_other_classes_have_no_row(
    world: World, instructor: User, other_student: User
) -> None:
    other = Cohort.objects.create(name="Other")
    Membership.objects.create(cohort=other, user=other_student)
    enrolment_of_leader = world.cohort.enrolments.create(
        user=instructor, course=world.course, version=world.pinned.version
    )
    world.student("dana")
    assert [row.username for row in book_of(world).rows] == ["dana"]
    assert str(enrolment_of_leader.pk) not in str(book_of(world).rows)


def test_who_left_the_class_has_no_row(world: World) -> None:
    user = world.student("dana")
    Membership.objects.filter(user=user).delete()
    assert book_of(world).rows == []


def test_a_student_of_another_version(
    world: World, client_of: ClientOf, instructor: User, tmp_path: Path
) -> None:
    user = world.student("dana")
    folder = tmp_path / "newer"
    write_course(folder / "sample", steps={"quiz": STEPS["quiz"], "new": STEPS["last"]})
    publish_courses(folder)
    newer = world.course.versions.get(number=2)
    Enrolment.objects.filter(user=user).update(version=newer)
    world.passes(user, "new")
    row = row_of(world, user)
    assert (row.version_number, row.total, row.max_total) == (2, 1, 3)
    assert [cell.standing is None for cell in row.cells] == [True, False, True, True]
    page = client_of(instructor).get(address(world)).content.decode()
    assert "version 2 of the course" in page
    assert page.count("Not in this student&#x27;s version") == 3
    assert "/last/" not in page


def test_sorting(world: World) -> None:
    for name, step in (("ann", "last"), ("bob", "quiz"), ("cleo", None)):
        user = world.student(name)
        if step:
            world.passes(user, step)

    def order(sorting: str) -> list[str]:
        return [row.username for row in book_of(world, sorting=sorting).rows]

    assert order("name") == ["ann", "bob", "cleo"]
    assert order("-name") == ["cleo", "bob", "ann"]
    assert order("-total") == ["bob", "ann", "cleo"]
    assert order("percent") == ["cleo", "ann", "bob"]


def test_an_unknown_order_is_that_of_the_names(world: World, client_of: ClientOf) -> None:
    world.student("dana")
    page = client_of(User.objects.get(username="chiyo")).get(address(world), {"sort": "pk; drop"})
    assert page.status_code == 200
    assert 'aria-sort="ascending"' in page.content.decode()


def test_late_is_who_passed_after_the_own_date(world: World) -> None:
    late, in_time, extended = (world.student(name) for name in ("late", "early", "extended"))
    CohortCourse.objects.filter(pk=world.pinned.pk).update(
        due_at=timezone.now() + timedelta(days=1)
    )
    world.passes(late, "quiz", late_days=2)
    world.passes(in_time, "quiz")
    world.passes(extended, "quiz", late_days=2)
    DueOverride.objects.create(
        cohort_course=world.pinned,
        user=extended,
        due_at=timezone.now() + timedelta(days=3),
        reason="Ill",
    )
    found = {row.username: row.cells[1].is_late for row in book_of(world).rows}
    assert found == {"late": True, "early": False, "extended": False}


@pytest.mark.parametrize(
    ("outcomes", "is_late"),
    [
        (["waiting", "blocked"], False),
        (["fail", "blocked"], True),
        (["waiting", "fail"], True),
        ([], True),
    ],
)
def test_waiting_for_a_device_is_never_late(
    world: World, outcomes: list[str], is_late: bool
) -> None:
    user = world.student("dana")
    CohortCourse.objects.filter(pk=world.pinned.pk).update(
        due_at=timezone.now() + timedelta(days=1)
    )
    for key, outcome in zip(("job", "explained"), outcomes, strict=False):
        CheckResult.objects.create(
            enrolment=world.enrolment(user), step_key="quiz", check_key=key, outcome=outcome
        )
    world.passes(user, "quiz", late_days=2)
    assert row_of(world, user).cells[1].is_late is is_late


def test_what_the_student_still_had_to_do_after_the_device_is_late(world: World) -> None:
    user = world.student("dana")
    enrolment = world.enrolment(user)
    CohortCourse.objects.filter(pk=world.pinned.pk).update(
        due_at=timezone.now() + timedelta(days=1)
    )
    for key, outcome, days in (("job", "waiting", 0), ("explained", "fail", 2)):
        result = CheckResult.objects.create(
            enrolment=enrolment, step_key="quiz", check_key=key, outcome=outcome
        )
        CheckResult.objects.filter(pk=result.pk).update(
            created_at=timezone.now() + timedelta(days=days)
        )
    world.passes(user, "quiz", late_days=3)
    assert row_of(world, user).cells[1].is_late


def test_projected_names_are_made_up(world: World, client_of: ClientOf, instructor: User) -> None:
    user = world.student("dana", display_name="Dana Real")
    page = client_of(instructor).get(address(world), {"projected": "1"}).content.decode()
    assert "Dana Real" not in page
    assert "dana" not in page
    cell = client_of(instructor).get(
        address(world, "grade", world.enrolment(user).pk, "quiz"), {"projected": "1"}
    )
    assert "Dana Real" not in cell.content.decode()
    assert "?projected=1" in page


def test_a_projected_cell_shows_nothing_that_its_student_wrote(
    world: World, client_of: ClientOf, instructor: User
) -> None:
    user = world.student("dana")
    enrolment = world.enrolment(user)
    job = make_completed_job(user, name="Roses of Dana")
    Reflection.objects.create(
        enrolment=enrolment, step_key="quiz", text="My own words", job_ids=[str(job.pk)]
    )
    stored = {
        "outcome": "waiting",
        "reason": "job_under_way",
        "observed": {"name": "Roses of Dana", "status": "running", "left": None},
        "wanted": {},
    }
    StepProgress.objects.update_or_create(
        enrolment=enrolment, step_key="quiz", defaults={"checks": {"right": stored}}
    )
    ScoreEvent.objects.create(
        enrolment=enrolment,
        step_key="quiz",
        kind=ScoreEvent.Kind.OVERRIDE,
        points=1,
        max_points=2,
        reason="Dana was ill",
        actor=instructor,
    )
    give_feedback(
        instructor, user, world.cohort, text="Well done", enrolment=enrolment, step_key="quiz"
    )
    client = client_of(instructor)
    cell = address(world, "grade", enrolment.pk, "quiz")
    words = ("My own words", "Roses of Dana", "Dana was ill", "Well done")
    page = client.get(cell).content.decode()
    assert [word for word in words if word not in page] == []
    hidden = client.get(cell, {"projected": "1"}).content.decode()
    assert [word for word in words if word in hidden] == []
    assert "Not shown with made-up names" in hidden


def test_a_cell_leads_to_its_page(world: World, client_of: ClientOf, instructor: User) -> None:
    user = world.student("dana")
    page = client_of(instructor).get(address(world)).content.decode()
    assert f'href="{address(world, "grade", world.enrolment(user).pk, "quiz")}"' in page


def test_the_number_of_queries_does_not_grow(
    world: World, client_of: ClientOf, instructor: User
) -> None:
    client = client_of(instructor)
    CohortCourse.objects.filter(pk=world.pinned.pk).update(
        due_at=timezone.now() - timedelta(days=1)
    )

    def count() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            client.get(address(world))
        return len(queries)

    for number in range(3):
        world.passes(world.student(f"s{number}"), "quiz", late_days=1)
    few = count()
    for number in range(3, 12):
        world.passes(world.student(f"s{number}"), "quiz", late_days=1)
    assert count() == few


def test_empty_states(world: World, client_of: ClientOf, instructor: User) -> None:
    client = client_of(instructor)
    assert "No students yet" in client.get(address(world)).content.decode()
    world.pinned.delete()
    assert "This class takes no course yet" in client.get(address(world)).content.decode()
    assert client.get(address(world, "gradebook_course", "sample")).status_code == 404


def test_others_find_no_gradebook(
    world: World, client_of: ClientOf, student: User, other_student: User
) -> None:
    user = world.student("dana")
    leader = User.objects.create_user("elsewhere", is_staff=True)
    other = Cohort.objects.create(name="Other")
    Membership.objects.create(cohort=other, user=leader, role=Role.INSTRUCTOR)
    cell = address(world, "grade", world.enrolment(user).pk, "quiz")
    for person in (user, leader, other_student):
        for wanted in (address(world), cell, address(world, "gradebook_export")):
            assert client_of(person).get(wanted).status_code == 404
    # The enrolment of another class, under the address of one's own.
    own = reverse("classroom:grade", args=[other.pk, world.enrolment(user).pk, "quiz"])
    assert client_of(leader).get(own).status_code == 404


def test_an_observer_looks_and_decides_nothing(
    world: World, client_of: ClientOf, other_student: User
) -> None:
    user = world.student("dana")
    observer = world.add(other_student, Role.OBSERVER)
    cell = address(world, "grade", world.enrolment(user).pk, "quiz")
    client = client_of(observer)
    assert client.get(address(world)).status_code == 200
    page = client.get(cell)
    assert page.status_code == 200
    assert "Save the decision" not in page.content.decode()
    sent = {"decision": "points", "points": "1", "reason": "Because I can"}
    assert client.post(cell, sent).status_code == 403
    assert not ScoreEvent.objects.exists()


def test_a_cell_shows_what_proves_it(world: World, client_of: ClientOf, instructor: User) -> None:
    user = world.student("dana")
    enrolment = world.enrolment(user)
    answer_quiz(enrolment, "quiz", {"first": ["b"]})
    world.passes(user, "quiz")
    job = make_completed_job(user)
    dataset = make_dataset(user, name="Garden two")
    for kind, subject_id, facts in (
        ("job", str(job.pk), {"name": job.name, "gain": 0.4567, "steps": 75}),
        ("dataset", str(dataset.latest.pk), {"name": "Garden two", "examples": 12}),
    ):
        enrolment.evidence.create(
            step_key="quiz",
            check_key="right",
            kind=kind,
            subject_id=subject_id,
            digest="ab" * 32,
            facts=facts,
        )
    enrolment.reflections.create(step_key="quiz", text="I saw it.\n<b>Truly</b>", job_ids=[])
    page = client_of(instructor).get(address(world, "grade", enrolment.pk, "quiz"))
    text = re.sub(r"\s+", " ", page.content.decode())
    for expected in (
        "Training job",
        "0.457 nats",
        "75 steps",
        "12 examples",
        "abababababab",
        "That",
        "wrong",
        "right",
        "passed by evidence: 2 of 2 points",
        "I saw it.",
        "&lt;b&gt;Truly",
        "0 of 0",
    ):
        assert expected in text, expected
    assert "deleted since" not in text
    job.delete()
    assert "deleted since" in client_of(instructor).get(page.request["PATH_INFO"]).content.decode()


def test_a_cell_of_a_step_never_opened(world: World, client_of: ClientOf, instructor: User) -> None:
    user = world.student("dana")
    client = client_of(instructor)
    page = client.get(address(world, "grade", world.enrolment(user).pk, "last"))
    assert "Not looked at yet" in page.content.decode()
    assert not StepProgress.objects.exists()
    missing = client.get(address(world, "grade", world.enrolment(user).pk, "no-such-step"))
    assert missing.status_code == 404
