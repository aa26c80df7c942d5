"""Decisions about scores: the newest holds, none is changed, and two leaders can not overrule each other unseen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, Cohort, Membership, User
from common.errors import ConflictError, InvalidInputError, NotFoundError
from courses.execution.verifying import verify_step
from courses.models import ScoreEvent, StepProgress
from courses.selectors.gradebook import gradebook
from courses.selectors.pinned import pinned_courses
from courses.selectors.progress import standing_of
from courses.selectors.scores import score_of
from courses.services.answering import answer_quiz
from courses.services.grading import (
    Decision,
    OvertakenError,
    exempt,
    exempt_many,
    set_points,
    take_back,
)
from courses.tests.classes import Role, World, make_world
from courses.wording.grades import look_of

pytestmark = pytest.mark.django_db
REASON = "Shown at the blackboard"


@pytest.fixture
def world(tmp_path: Path, instructor: User) -> World:
    world = make_world(tmp_path)
    world.add(instructor, Role.INSTRUCTOR)
    return world


@pytest.fixture
def dana(world: World) -> User:
    return world.student("dana")


def decision(world: World, user: User, step: str = "quiz", **changes: object) -> Decision:
    enrolment = world.enrolment(user)
    fields = {
        "actor": User.objects.get(username="chiyo"),
        "cohort": world.cohort,
        "enrolment_id": enrolment.pk,
        "step_key": step,
        "reason": REASON,
        "seen_id": score_of(enrolment, step).newest_id,
    }
    return Decision(**(fields | changes))


def points_of(world: World, user: User, step: str = "quiz") -> float:
    return score_of(world.enrolment(user), step).points


def test_the_newest_decision_holds(world: World, dana: User) -> None:
    world.passes(dana, "quiz")
    assert points_of(world, dana) == 2
    set_points(decision(world, dana), 0.5)
    set_points(decision(world, dana), 1.5)
    assert points_of(world, dana) == 1.5
    assert ScoreEvent.objects.count() == 3


def test_evidence_after_a_decision_changes_nothing_until_it_is_taken_back(
    world: World, dana: User
) -> None:
    set_points(decision(world, dana), 0.5)
    world.passes(dana, "quiz")
    assert points_of(world, dana) == 0.5
    take_back(decision(world, dana))
    assert points_of(world, dana) == 2


def test_evidence_counts_that_comes_after_a_decision_was_taken_back(
    world: World, dana: User
) -> None:
    set_points(decision(world, dana), 0.5)
    take_back(decision(world, dana))
    assert points_of(world, dana) == 0
    world.passes(dana, "quiz")
    assert points_of(world, dana) == 2
    with pytest.raises(ConflictError):
        take_back(decision(world, dana))


def test_points_do_not_move_the_student_on(world: World, dana: User) -> None:
    set_points(decision(world, dana), 2)
    standing = standing_of(world.enrolment(dana))
    assert standing.of("quiz").standing.value == "available"
    assert standing.percent == 0
    # A step that nobody opened stays one that passes nobody by surprise.
    assert not StepProgress.objects.exists()


def test_an_exempt_step_is_done_and_the_last_one_completes_the_course(
    world: World, dana: User
) -> None:
    for step in ("hello", "quiz"):
        exempt(decision(world, dana, step))
    assert world.enrolment(dana).completed_at is None
    exempt(decision(world, dana, "last"))
    assert world.enrolment(dana).completed_at is not None
    assert standing_of(world.enrolment(dana)).percent == 100
    assert score_of(world.enrolment(dana), "quiz").is_exempt


def test_a_passed_step_stays_passed(world: World, dana: User) -> None:
    world.passes(dana, "quiz")
    exempt(decision(world, dana))
    assert StepProgress.objects.get(step_key="quiz").state == "passed"
    (course,) = pinned_courses(world.cohort)
    (row,) = gradebook(world.cohort, course).rows
    assert (row.total, row.max_total) == (0, 1)
    assert look_of(row.cells[1]).words == "Exempt"
    take_back(decision(world, dana))
    assert points_of(world, dana) == 2


def test_progress_never_falls(world: World, dana: User) -> None:
    exempt(decision(world, dana))
    take_back(decision(world, dana))
    enrolment = world.enrolment(dana)
    assert standing_of(enrolment).of("quiz").is_done
    answer_quiz(enrolment, "quiz", {"first": ["b"]})
    verify_step(enrolment, "quiz", is_try=True)
    assert standing_of(enrolment).of("quiz").is_done
    with pytest.raises(ConflictError):
        take_back(decision(world, dana))


@pytest.mark.parametrize("points", [-0.5, 2.5, 0.3, float("nan"), float("inf")])
def test_points_outside_the_range_are_refused(world: World, dana: User, points: float) -> None:
    with pytest.raises(InvalidInputError):
        set_points(decision(world, dana), points)
    assert not ScoreEvent.objects.exists()


@pytest.mark.parametrize("reason", ["", "    ", "no", "x" * 501])
def test_a_decision_needs_a_reason(world: World, dana: User, reason: str) -> None:
    for act in (lambda made: set_points(made, 1), exempt):
        with pytest.raises(InvalidInputError):
            act(decision(world, dana, reason=reason))
    assert not ScoreEvent.objects.exists()
    assert not StepProgress.objects.exists()


def test_the_second_of_two_leaders_is_told_what_the_first_did(world: World, dana: User) -> None:
    seen_by_both = decision(world, dana)
    first = set_points(seen_by_both, 1)
    with pytest.raises(OvertakenError) as raised:
        set_points(seen_by_both, 2)
    assert raised.value.event == first
    with pytest.raises(OvertakenError):
        exempt(seen_by_both)
    assert ScoreEvent.objects.count() == 1
    assert not StepProgress.objects.exists()


def test_only_students_of_this_class(world: World, dana: User) -> None:
    other = Cohort.objects.create(name="Other")
    with pytest.raises(NotFoundError):
        set_points(decision(world, dana, cohort=other), 1)
    with pytest.raises(NotFoundError):
        set_points(decision(world, dana, step_key="nothing"), 1)
    Membership.objects.filter(user=dana).delete()
    with pytest.raises(NotFoundError):
        set_points(decision(world, dana), 1)


def test_scores_are_only_added(world: World, dana: User) -> None:
    event = set_points(decision(world, dana), 1)
    event.points = 2
    with pytest.raises(TypeError):
        event.save()
    with pytest.raises(TypeError):
        event.delete()
    # Who deletes an account deletes its scores with it.
    dana.delete()
    assert not ScoreEvent.objects.exists()


def test_every_decision_is_noted(world: World, dana: User) -> None:
    set_points(decision(world, dana), 1)
    exempt(decision(world, dana))
    take_back(decision(world, dana))
    notes = AuditEvent.objects.order_by("created_at")
    assert [note.kind for note in notes] == ["score_set", "step_exempted", "score_set"]
    assert notes[0].details == {"course": "sample", "step": "quiz", "points": 1, "max_points": 2}
    assert {note.person for note in notes} == {dana}
    assert REASON not in str([note.details for note in notes])


# --- pages ------------------------------------------------------------------------------------------


@pytest.fixture
def client(instructor: User, client_of: Callable[[User], Client], world: World) -> Client:
    return client_of(instructor)


def cell(world: World, user: User, step: str = "quiz") -> str:
    return reverse("classroom:grade", args=[world.cohort.pk, world.enrolment(user).pk, step])


def test_points_are_set_on_the_page(client: Client, world: World, dana: User) -> None:
    sent = {"decision": "points", "points": "1.5", "reason": REASON, "seen": ""}
    answer = client.post(cell(world, dana), sent, follow=True)
    assert answer.redirect_chain == [(cell(world, dana), 302)]
    assert points_of(world, dana) == 1.5
    assert REASON in answer.content.decode()
    assert "1.5 of 2 points set" in answer.content.decode()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"decision": ""}, "Choose what you decide."),
        ({"points": ""}, "Enter the points."),
        ({"points": "7"}, "Enter points from 0 to 2"),
        ({"points": "many"}, "Enter a number."),
        ({"reason": "no"}, "Give a reason of 5 to 500 characters"),
        ({"decision": "take_back"}, "Select a valid choice."),
        ({"seen": "yesterday"}, "Reload the page"),
    ],
)
def test_faults_stand_at_the_field_and_what_was_typed_stays(
    client: Client, world: World, dana: User, changes: dict[str, str], message: str
) -> None:
    sent = {"decision": "points", "points": "1", "reason": "As agreed in the lesson", "seen": ""}
    answer = client.post(cell(world, dana), sent | changes)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert message in page
    assert (sent | changes)["reason"] in page
    assert not ScoreEvent.objects.exists()


def test_the_page_tells_what_the_other_leader_did(client: Client, world: World, dana: User) -> None:
    assistant = world.add(User.objects.create_user("eri", display_name="Eri"), Role.ASSISTANT)
    set_points(decision(world, dana, actor=assistant, reason="Half of it was right"), 1)
    sent = {"decision": "points", "points": "2", "reason": REASON, "seen": ""}
    answer = client.post(cell(world, dana), sent)
    page = answer.content.decode()
    assert answer.status_code == 409
    for expected in ("Eri", "1 of 2 points set", "Half of it was right", REASON):
        assert expected in page
    assert points_of(world, dana) == 1
    again = answer.context["form"].data | {}
    assert client.post(cell(world, dana), again).status_code == 302
    assert points_of(world, dana) == 2


def test_a_step_that_is_only_read_can_be_exempt_only(
    client: Client, world: World, dana: User
) -> None:
    page = client.get(cell(world, dana, "hello")).content.decode()
    assert 'value="points"' not in page
    sent = {"decision": "exempt", "reason": REASON, "seen": ""}
    assert client.post(cell(world, dana, "hello"), sent).status_code == 302
    assert StepProgress.objects.get().state == "exempt"


def test_a_decision_needs_the_token_of_the_page(world: World, dana: User, instructor: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(instructor)
    sent = {"decision": "points", "points": "1", "reason": REASON, "seen": ""}
    assert browser.post(cell(world, dana), sent).status_code == 403


def exempting(world: World, *args: str) -> str:
    name = "gradebook_exempt_step" if len(args) == 2 else "gradebook_exempt"
    return reverse(f"classroom:{name}", args=[world.cohort.pk, *args])


def test_several_are_exempt_at_once(client: Client, world: World, dana: User) -> None:
    passed, chosen, other = (world.student(name) for name in ("passed", "chosen", "other"))
    world.passes(passed, "quiz")
    assert "3 students have not done it" in client.get(exempting(world, "sample")).content.decode()
    address = exempting(world, "sample", "quiz")
    page = client.get(address).content.decode()
    assert str(world.enrolment(passed).pk) not in page
    sent = {"who": "chosen", "students": [str(world.enrolment(chosen).pk)], "reason": REASON}
    answer = client.post(address, sent, follow=True)
    assert "1 student is exempt from this step." in answer.content.decode()
    exempt_users = ScoreEvent.objects.filter(kind="exempt").values_list(
        "enrolment__user__username", flat=True
    )
    assert list(exempt_users) == ["chosen"]
    client.post(address, {"who": "everybody", "reason": REASON})
    assert set(exempt_users.all()) == {"chosen", "other", "dana"}
    assert AuditEvent.objects.filter(kind="step_exempted").count() == 3
    assert "has done this step" in client.get(address).content.decode()
    assert other


def test_exempting_refuses_what_is_not_right(
    client: Client, world: World, dana: User, other_student: User
) -> None:
    address = exempting(world, "sample", "quiz")
    own = str(world.enrolment(dana).pk)
    for sent in (
        {"who": "chosen", "reason": REASON},
        {"who": "chosen", "students": [own], "reason": "no"},
        {"who": "chosen", "students": ["6f0e7d7e-0000-4000-8000-000000000000"], "reason": REASON},
        {"who": "nobody", "students": [own], "reason": REASON},
        {},
    ):
        assert client.post(address, sent).status_code == 422
    assert not ScoreEvent.objects.exists()
    assert client.get(exempting(world, "sample", "nothing")).status_code == 404
    assert client.get(exempting(world, "another")).status_code == 404


def test_an_observer_exempts_nobody(
    world: World, dana: User, other_student: User, client_of: Callable[[User], Client]
) -> None:
    observer = world.add(other_student, Role.OBSERVER)
    sent = {"who": "everybody", "reason": REASON}
    answer = client_of(observer).post(exempting(world, "sample", "quiz"), sent)
    assert answer.status_code == 403
    assert client_of(dana).post(exempting(world, "sample", "quiz"), sent).status_code == 404
    assert not ScoreEvent.objects.exists()


def test_who_passed_meanwhile_is_left_as_is(world: World, dana: User, instructor: User) -> None:
    world.passes(dana, "quiz")
    found = exempt_many(
        instructor,
        world.cohort,
        enrolment_ids=[world.enrolment(dana).pk],
        step_key="quiz",
        reason=REASON,
    )
    assert found == (0, 1)
    assert points_of(world, dana) == 2
    other = Cohort.objects.create(name="Other")
    with pytest.raises(NotFoundError):
        exempt_many(
            instructor,
            other,
            enrolment_ids=[world.enrolment(dana).pk],
            step_key="last",
            reason=REASON,
        )
