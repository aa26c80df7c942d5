"""Hands go up, somebody comes, hands go down."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, Notification, User
from common.errors import ConflictError, InvalidInputError, NotFoundError
from courses.execution.verifying import verify_step
from courses.models import CohortCourse, Enrolment, HelpRequest, StepProgress
from courses.services.helping import claim, raise_hand, resolve, take_back
from courses.tests.factories import enrol, publish_sample
from courses.tests.live_factories import Role, be_at, join, make_class, make_member, pass_step

pytestmark = pytest.mark.django_db
State = HelpRequest.State


@pytest.fixture
def pinned(tmp_path: Path, instructor: User) -> CohortCourse:
    return make_class(tmp_path, instructor)


@pytest.fixture
def enrolment(pinned: CohortCourse) -> Enrolment:
    return make_member(pinned, "aya")


def address(name: str, key: str = "hello") -> str:
    return reverse(f"courses:{name}", args=["sample", key])


def test_a_hand_goes_up_once_and_keeps_its_place(
    pinned: CohortCourse, enrolment: Enrolment
) -> None:
    first = raise_hand(enrolment, "hello")
    raise_hand(make_member(pinned, "bo"), "hello")
    again = raise_hand(enrolment, "hello", " Which page?\r\n ")
    assert (again.pk, again.created_at) == (first.pk, first.created_at)
    assert again.text == "Which page?"
    assert HelpRequest.objects.count() == 2


def test_who_learns_without_a_class_has_nobody_to_ask(
    tmp_path: Path, student: User, client_of: Callable[[User], Client]
) -> None:
    publish_sample(tmp_path)
    alone = enrol(student, "sample")
    with pytest.raises(ConflictError):
        raise_hand(alone, "hello")
    assert "Ask for help" not in client_of(student).get(address("step_detail")).content.decode()


def test_locked_unknown_and_passed_steps_are_refused(enrolment: Enrolment) -> None:
    with pytest.raises(ConflictError):
        raise_hand(enrolment, "quiz")
    with pytest.raises(NotFoundError):
        raise_hand(enrolment, "nothing")
    pass_step(enrolment, "hello")
    with pytest.raises(ConflictError):
        raise_hand(enrolment, "hello")
    assert not HelpRequest.objects.exists()


def test_one_hand_at_a_time(enrolment: Enrolment) -> None:
    be_at(enrolment, "train")
    StepProgress.objects.filter(step_key="hello").update(state="working")
    raise_hand(enrolment, "hello")
    CohortCourse.objects.update(opened_steps=["train"])
    with pytest.raises(ConflictError):
        raise_hand(enrolment, "train")
    # Done by a leader's decision, which lowers no hand by itself.
    StepProgress.objects.filter(step_key="hello").update(state="exempt")
    assert raise_hand(enrolment, "train").state == State.OPEN
    assert HelpRequest.objects.filter(state=State.RESOLVED).count() == 1


def test_a_long_text_is_refused(enrolment: Enrolment) -> None:
    with pytest.raises(InvalidInputError) as refused:
        raise_hand(enrolment, "hello", "x" * 501)
    assert refused.value.faults[0].field == "text"


def test_the_second_who_claims_is_told_who_has_it(
    pinned: CohortCourse, enrolment: Enrolment, instructor: User, other_student: User
) -> None:
    join(pinned.cohort, other_student, Role.ASSISTANT)
    request = raise_hand(enrolment, "hello")
    claim(instructor, request)
    claim(instructor, request)
    with pytest.raises(ConflictError, match="chiyo is already"):
        claim(other_student, request)
    event = AuditEvent.objects.get()
    assert (event.kind, event.person, event.actor) == ("help_claimed", enrolment.user, instructor)
    assert event.details == {"course": "sample", "step": "hello"}
    told = Notification.objects.get()
    assert (told.user, told.kind, told.path) == (
        enrolment.user,
        "help_claimed",
        address("step_detail"),
    )


def test_a_hand_goes_down_when_it_is_resolved(enrolment: Enrolment, instructor: User) -> None:
    request = claim(instructor, raise_hand(enrolment, "hello"))
    resolve(instructor, request)
    resolve(instructor, request)
    request.refresh_from_db()
    assert (request.state, request.helper) == (State.RESOLVED, instructor)
    assert list(AuditEvent.objects.order_by("created_at").values_list("kind", flat=True)) == [
        "help_claimed",
        "help_resolved",
    ]
    assert Notification.objects.get().seen_at is not None
    with pytest.raises(ConflictError):
        claim(instructor, request)


def test_a_hand_that_was_taken_back_is_down(enrolment: Enrolment, instructor: User) -> None:
    request = raise_hand(enrolment, "hello")
    take_back(enrolment, "hello")
    with pytest.raises(NotFoundError):
        take_back(enrolment, "hello")
    with pytest.raises(ConflictError):
        claim(instructor, request)
    assert raise_hand(enrolment, "hello").pk != request.pk


def test_passing_the_step_lowers_the_hand(enrolment: Enrolment) -> None:
    request = raise_hand(enrolment, "hello")
    StepProgress.objects.create(enrolment=enrolment, step_key="hello", active_seconds=60)
    assert verify_step(enrolment, "hello").state == "passed"
    request.refresh_from_db()
    assert request.state == State.RESOLVED
    assert request.closed_at is not None


# --- the page of the step ---------------------------------------------------------------------------


def test_the_page_tells_how_it_stands(
    pinned: CohortCourse,
    enrolment: Enrolment,
    instructor: User,
    client_of: Callable[[User], Client],
) -> None:
    raise_hand(make_member(pinned, "bo"), "hello")
    client = client_of(enrolment.user)
    assert "Raise your hand" in client.get(address("step_detail")).content.decode()
    asked = client.post(address("step_help_ask"), {"text": "Why <b>?"})
    assert asked.url == address("step_detail") + "#help"
    page = client.get(asked.url).content.decode()
    assert "as number 2 in line" in page
    assert "Why &lt;b&gt;?" in page
    claim(instructor, HelpRequest.objects.get(enrolment=enrolment))
    assert "chiyo is coming." in client.get(address("step_detail")).content.decode()
    client.post(address("step_help_take_back"))
    assert "Raise your hand" in client.get(address("step_detail")).content.decode()
    again = client.post(address("step_help_take_back"), follow=True).content.decode()
    assert "You do not wait for help at this step." in again


def test_the_part_comes_only_when_it_changed(
    enrolment: Enrolment, instructor: User, client_of: Callable[[User], Client]
) -> None:
    client = client_of(enrolment.user)
    asked = client.post(address("step_help_ask"), headers={"HX-Request": "true"})
    assert 'id="step-help"' in asked.content.decode()
    poll = f"{address('step_help')}?mark=open-1-0"
    assert client.get(poll).status_code == 204
    claim(instructor, HelpRequest.objects.get())
    assert "is coming" in client.get(poll).content.decode()


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_what_was_typed_stays_when_it_is_refused(
    enrolment: Enrolment, client_of: Callable[[User], Client], headers: dict[str, str]
) -> None:
    answer = client_of(enrolment.user).post(
        address("step_help_ask"), {"text": "y" * 501}, headers=headers
    )
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "y" * 501 in page
    assert "at most 500 can be kept" in page
    assert 'aria-invalid="true"' in page


def test_others_have_no_hand_here(
    enrolment: Enrolment, other_student: User, client_of: Callable[[User], Client]
) -> None:
    client = client_of(other_student)
    for name in ("step_help_ask", "step_help_take_back"):
        assert client.post(address(name)).status_code == 404
    assert client.get(address("step_help")).status_code == 404
    assert client_of(enrolment.user).get(address("step_help", "nothing")).status_code == 404


def test_asking_and_taking_back_all_the_time_is_refused(
    enrolment: Enrolment, client_of: Callable[[User], Client]
) -> None:
    client = client_of(enrolment.user)
    for _time in range(12):
        client.post(address("step_help_ask"))
        client.post(address("step_help_take_back"))
    answer = client.post(address("step_help_ask"))
    assert answer.status_code == 422
    assert "Too many tries" in answer.content.decode()


# --- the API ----------------------------------------------------------------------------------------


def test_the_api_asks_and_takes_back(
    enrolment: Enrolment, client_of: Callable[[User], Client]
) -> None:
    client = client_of(enrolment.user)
    at = "/api/courses/sample/steps/hello/help"
    asked = client.post(at, {"text": "Why?"}, content_type="application/json")
    assert asked.status_code == 200
    body = asked.json()
    assert (body["state"], body["text"], body["place"], body["helper"]) == ("open", "Why?", 1, None)
    assert client.delete(at).status_code == 204
    assert client.delete(at).status_code == 404
    refused = client.post(at, {"text": "z" * 501}, content_type="application/json")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "text")
    locked = client.post("/api/courses/sample/steps/quiz/help", {}, content_type="application/json")
    assert locked.status_code == 409
