"""Steps that are opened for a whole class before their turn, and closed again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import AuditEvent, User
from common.errors import ForbiddenError, NotFoundError
from courses.models import CohortCourse, Enrolment, HelpRequest, StepProgress
from courses.selectors.helping import waiting_count
from courses.selectors.progress import Standing, standing_of
from courses.services.helping import raise_hand
from courses.services.opening import Closing, close_step, open_step
from courses.tests.live_factories import Role, be_at, join, make_class, make_member, pass_step

pytestmark = pytest.mark.django_db


@pytest.fixture
def pinned(tmp_path: Path, instructor: User) -> CohortCourse:
    return make_class(tmp_path, instructor)


@pytest.fixture
def enrolment(pinned: CohortCourse) -> Enrolment:
    return make_member(pinned, "aya")


def acts() -> list[str]:
    return list(AuditEvent.objects.order_by("created_at").values_list("kind", flat=True))


def standing(enrolment: Enrolment, key: str) -> Standing:
    return standing_of(enrolment).of(key).standing


def at_work(enrolment: Enrolment, key: str) -> None:
    """At a step that was opened out of turn."""
    StepProgress.objects.create(enrolment=enrolment, step_key=key, state="working", tries=2)
    Enrolment.objects.filter(pk=enrolment.pk).update(last_step_key=key)
    enrolment.refresh_from_db()


def test_opening_and_closing_twice_is_doing_it_once(
    pinned: CohortCourse, enrolment: Enrolment, instructor: User
) -> None:
    assert [open_step(instructor, pinned, "quiz") for _time in range(2)] == [True, False]
    assert standing(enrolment, "quiz") == Standing.AVAILABLE
    closings = [close_step(instructor, pinned, "quiz") for _time in range(2)]
    assert closings == [Closing(kept=0, locked=0), None]
    assert standing(enrolment, "quiz") == Standing.LOCKED
    assert acts() == ["step_opened", "step_closed"]


def test_who_passed_keeps_it_and_who_is_at_it_goes_on_later(
    pinned: CohortCourse, instructor: User
) -> None:
    open_step(instructor, pinned, "quiz")
    passed, working, ahead = (make_member(pinned, name) for name in ("bo", "cy", "di"))
    pass_step(passed, "quiz")
    at_work(working, "quiz")
    be_at(ahead, "quiz")
    assert close_step(instructor, pinned, "quiz") == Closing(kept=1, locked=1)
    assert standing(passed, "quiz") == Standing.PASSED
    assert standing(working, "quiz") == Standing.LOCKED
    assert standing(ahead, "quiz") == Standing.WORKING
    assert standing_of(working).percent == 0
    for key in ("hello", "train"):
        pass_step(working, key)
    item = standing_of(working).of("quiz")
    assert item.standing == Standing.WORKING
    assert item.progress is not None
    assert item.progress.tries == 2


def test_a_hand_at_a_step_out_of_reach_is_lowered(
    pinned: CohortCourse, enrolment: Enrolment, instructor: User
) -> None:
    open_step(instructor, pinned, "quiz")
    at_work(enrolment, "quiz")
    raise_hand(enrolment, "quiz")
    ahead = make_member(pinned, "bo")
    be_at(ahead, "quiz")
    raise_hand(ahead, "quiz")
    close_step(instructor, pinned, "quiz")
    assert waiting_count(pinned.cohort) == 1
    assert HelpRequest.objects.get(enrolment=enrolment).state == HelpRequest.State.CANCELLED
    assert raise_hand(enrolment, "hello").state == HelpRequest.State.OPEN


def test_people_outside_the_class_are_not_counted(
    pinned: CohortCourse, enrolment: Enrolment, instructor: User
) -> None:
    open_step(instructor, pinned, "quiz")
    at_work(enrolment, "quiz")
    enrolment.user.memberships.all().delete()
    assert close_step(instructor, pinned, "quiz") == Closing(kept=0, locked=0)


def test_an_assistant_opens_and_an_observer_does_not(
    pinned: CohortCourse, student: User, other_student: User
) -> None:
    join(pinned.cohort, student, Role.ASSISTANT)
    join(pinned.cohort, other_student, Role.OBSERVER)
    assert open_step(student, pinned, "quiz")
    for act in (open_step, close_step):
        with pytest.raises(ForbiddenError):
            act(other_student, pinned, "quiz")
        with pytest.raises(NotFoundError):
            act(student, pinned, "nothing")
    assert acts() == ["step_opened"]


def test_by_the_page_of_the_course(
    pinned: CohortCourse,
    enrolment: Enrolment,
    instructor: User,
    client_of: Callable[[User], Client],
) -> None:
    client = client_of(instructor)
    arguments = [pinned.cohort_id, "sample"]
    page = reverse("classroom:content_course", args=arguments)
    opening = reverse("classroom:content_step_open", args=[*arguments, "quiz"])
    closing = reverse("classroom:content_step_close", args=[*arguments, "quiz"])
    text = client.get(page).content.decode()
    assert opening in text
    assert closing not in text
    # The first step waits for none.
    assert reverse("classroom:content_step_open", args=[*arguments, "hello"]) not in text
    opened = client.post(opening + "?projected=1", follow=True)
    assert opened.redirect_chain == [(page + "?projected=1", 302)]
    assert "The step is open for the whole class." in opened.content.decode()
    assert closing in opened.content.decode()
    at_work(enrolment, "quiz")
    closed = client.post(closing, follow=True).content.decode()
    assert "The step waits for those before it again. 1 student was at it" in closed
    assert "so nothing changed" in client.post(closing, follow=True).content.decode()
    for slug, key in (("sample", "nothing"), ("nothing", "quiz")):
        for name in ("content_step_open", "content_step_close"):
            other = reverse(f"classroom:{name}", args=[pinned.cohort_id, slug, key])
            assert client.post(other).status_code == 404
            assert client.get(other).status_code == 405


def test_the_page_refuses_observers_and_strangers(
    pinned: CohortCourse,
    enrolment: Enrolment,
    other_student: User,
    client_of: Callable[[User], Client],
) -> None:
    for person, status in ((enrolment.user, 404), (other_student, 403)):
        if person == other_student:
            join(pinned.cohort, other_student, Role.OBSERVER)
        for name in ("content_step_open", "content_step_close"):
            address = reverse(f"classroom:{name}", args=[pinned.cohort_id, "sample", "quiz"])
            assert client_of(person).post(address).status_code == status
    assert acts() == []


def test_closing_costs_the_same_for_a_larger_class(pinned: CohortCourse, instructor: User) -> None:
    counts = []
    for names in ("abc", "defghijkl"):
        open_step(instructor, pinned, "quiz")
        for name in names:
            pass_step(make_member(pinned, name * 3), "quiz")
        with CaptureQueriesContext(connection) as queries:
            close_step(instructor, pinned, "quiz")
        counts.append(len(queries))
    assert counts[0] == counts[1]
