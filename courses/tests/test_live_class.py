"""The class as it works: the grid, its addresses, and the socket that keeps it up to date."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import Cohort, Membership, User
from courses.consumers import ClassroomConsumer
from courses.execution.verifying import verify_step
from courses.instructor.pieces import PIECES
from courses.instructor.tabs import TABS
from courses.models import CohortCourse, Course, Enrolment, StepProgress
from courses.routing import websocket_urlpatterns
from courses.selectors.classwork import read_classwork
from courses.selectors.live import Grid, Show, Sort, live_grid
from courses.services.helping import claim, raise_hand, take_back
from courses.tests.live_factories import (
    FAILED_CHECK,
    Role,
    be_at,
    join,
    make_class,
    make_member,
    pass_step,
)
from training.tests.factories import make_running_job, make_training_job


@pytest.fixture
def pinned(tmp_path: Path, instructor: User) -> CohortCourse:
    return make_class(tmp_path, instructor)


def grid(pinned: CohortCourse, *, sort: Sort = Sort.NAME, show: Show = Show.ALL) -> Grid:
    pinned.refresh_from_db()
    (course,) = read_classwork(pinned.cohort, [pinned])
    return live_grid(course, "en", sort=sort, show=show)


def cells(pinned: CohortCourse) -> dict[str, list[str]]:
    return {row.name: [cell.value for cell in row.cells] for row in grid(pinned).rows}


def names(found: Grid) -> list[str]:
    return [row.name for row in found.rows]


def address(pinned: CohortCourse, name: str = "live", query: str = "") -> str:
    return reverse(f"classroom:{name}", args=[pinned.cohort_id]) + query


# --- the grid ---------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_every_state_has_its_cell(pinned: CohortCourse, other_student: User) -> None:
    join(pinned.cohort, other_student)
    make_member(pinned, "fresh")
    be_at(make_member(pinned, "works"), "train")
    be_at(make_member(pinned, "stuck"), "train", checks=FAILED_CHECK, fails_in_row=3)
    waits = make_member(pinned, "waits")
    be_at(waits, "train")
    make_training_job(waits.user)
    be_at(make_member(pinned, "watches"), "train", state=StepProgress.State.WAITING)
    done = make_member(pinned, "done")
    for key in ("hello", "train", "quiz"):
        pass_step(done, key)
    StepProgress.objects.filter(enrolment=done, step_key="train").update(state="exempt")
    assert cells(pinned) == {
        "ben": ["locked", "locked", "locked"],
        "done": ["passed", "exempt", "passed"],
        "fresh": ["open", "locked", "locked"],
        "stuck": ["passed", "stuck", "locked"],
        "waits": ["passed", "waiting", "locked"],
        "watches": ["passed", "waiting", "locked"],
        "works": ["passed", "working", "locked"],
    }
    assert grid(pinned).counts == {
        "working": 2,
        "waiting": 2,
        "stuck": 1,
        "done": 1,
        "not_begun": 1,
    }


@pytest.mark.django_db
def test_rows_are_sorted_and_chosen(pinned: CohortCourse, instructor: User) -> None:
    be_at(make_member(pinned, "a-works"), "quiz")
    be_at(make_member(pinned, "b-stuck"), "train", checks=FAILED_CHECK, fails_in_row=3)
    raise_hand(make_member(pinned, "c-asks"), "hello")
    claim(instructor, raise_hand(make_member(pinned, "d-seen"), "hello"))
    waits = make_member(pinned, "e-waits")
    be_at(waits, "train")
    make_running_job(waits.user)
    every = ["a-works", "b-stuck", "c-asks", "d-seen", "e-waits"]
    assert names(grid(pinned)) == every
    by_help = ["c-asks", "b-stuck", "d-seen", "a-works", "e-waits"]
    assert names(grid(pinned, sort=Sort.HELP)) == by_help
    assert names(grid(pinned, sort=Sort.PROGRESS))[-1] == "a-works"
    assert names(grid(pinned, show=Show.STUCK)) == ["b-stuck", "c-asks", "d-seen"]
    assert names(grid(pinned, show=Show.WAITING)) == ["e-waits"]
    assert names(grid(pinned, show=Show.DONE)) == []
    assert sum(grid(pinned, show=Show.DONE).counts.values()) == 5


@pytest.mark.django_db
def test_the_page_tells_minutes_percent_and_place(
    pinned: CohortCourse, instructor: User, client_of: Callable[[User], Client]
) -> None:
    runs, waits = make_member(pinned, "aya"), make_member(pinned, "bo")
    be_at(runs, "train", minutes=12.5, active_seconds=180)
    be_at(waits, "train", minutes=3)
    held = make_member(pinned, "cy")
    be_at(held, "train", minutes=3)
    make_running_job(runs.user, step_count=30, total_steps=75)
    make_training_job(waits.user)
    make_training_job(held.user, held_at=timezone.now())
    page = client_of(instructor).get(address(pinned)).content.decode()
    assert "12 min, of it 3 min with the page open" in page
    assert "job at 40%" in page
    assert "in the queue: next" in page
    assert "job waits: Held" in page
    assert "3 waiting for a device" in page
    assert '<use href="#cell-waiting"/></svg><span class="visually-hidden">waits for' in page


@pytest.mark.django_db
def test_a_class_without_a_course_or_without_students_says_so(
    pinned: CohortCourse, instructor: User, client_of: Callable[[User], Client]
) -> None:
    client = client_of(instructor)
    assert "No students yet" in client.get(address(pinned)).content.decode()
    make_member(pinned, "aya")
    assert "Nobody to show" in client.get(address(pinned, query="?show=done")).content.decode()
    pinned.delete()
    assert "This class takes no course yet" in client.get(address(pinned)).content.decode()
    assert client.get(address(pinned, "live_pieces")).status_code == 200


@pytest.mark.django_db
def test_the_course_with_the_newest_activity_comes_first_and_others_can_be_chosen(
    pinned: CohortCourse, instructor: User, client_of: Callable[[User], Client]
) -> None:
    version = pinned.version
    other = Course.objects.create(slug="other", level=2)
    version.pk, version.course = uuid4(), other
    version.manifest["about"]["title"] = {"en": "Second", "ja": "二つめ"}
    version.save(force_insert=True)
    CohortCourse.objects.create(cohort=pinned.cohort, course=other, version=version)
    client = client_of(instructor)
    be_at(make_member(pinned, "aya"), "train")
    assert '<option value="sample" selected>' in client.get(address(pinned)).content.decode()
    chosen = client.get(address(pinned, query="?course=other")).content.decode()
    assert '<option value="other" selected>Second' in chosen
    assert "Not begun" in chosen
    assert "course=other&amp;show=stuck" in chosen
    assert client.get(address(pinned, query="?course=x&sort=y&show=z")).status_code == 200


@pytest.mark.django_db
def test_projected_names_are_made_up_and_stay_in_every_address(
    pinned: CohortCourse, instructor: User, client_of: Callable[[User], Client]
) -> None:
    raise_hand(make_member(pinned, "aya-real-name"), "hello")
    client = client_of(instructor)
    for name in ("live", "live_pieces"):
        page = client.get(address(pinned, name, "?projected=1")).content.decode()
        assert "aya-real-name" not in page
        assert "asks for help at" in page
    assert (
        "sort=help&amp;projected=1"
        in client.get(address(pinned, query="?projected=1")).content.decode()
    )


@pytest.mark.django_db
def test_only_those_who_review_the_class_look(
    pinned: CohortCourse, other_student: User, client_of: Callable[[User], Client]
) -> None:
    member = make_member(pinned, "aya")
    for person in (member.user, other_student):
        client = client_of(person)
        for name in ("live", "live_pieces"):
            assert client.get(address(pinned, name)).status_code == 404
    join(pinned.cohort, other_student, Role.OBSERVER)
    assert "aya" in client_of(other_student).get(address(pinned)).content.decode()
    assert client_of(other_student).post(address(pinned)).status_code == 405


@pytest.mark.django_db
def test_the_grid_costs_the_same_for_a_larger_class(
    pinned: CohortCourse, instructor: User, client_of: Callable[[User], Client]
) -> None:
    client = client_of(instructor)
    counts = []
    for letters in ("ab", "cdefghijk"):
        for letter in letters:
            member = make_member(pinned, letter * 3)
            be_at(member, "train", checks=FAILED_CHECK, fails_in_row=3)
            raise_hand(member, "train")
        waiter = make_member(pinned, letters)
        be_at(waiter, "train")
        make_training_job(waiter.user)
        client.get(address(pinned))
        with CaptureQueriesContext(connection) as queries:
            client.get(address(pinned))
        counts.append(len(queries))
    assert counts[0] == counts[1]


# --- the socket -------------------------------------------------------------------------------------

Open = Callable[..., Awaitable[WebsocketCommunicator]]
live_socket = pytest.mark.django_db(transaction=True)


class PatientSocket(WebsocketCommunicator):  # type: ignore[misc]
    """Waits longer for a message than a machine under load needs for its first template."""

    async def receive_output(self, timeout: float = 15) -> Any:
        return await super().receive_output(max(timeout, 15))


@pytest.fixture
async def open_socket(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Open]:
    monkeypatch.setattr(ClassroomConsumer, "interval_seconds", 0.02)
    monkeypatch.setattr(ClassroomConsumer, "recheck_changes_seconds", 60)
    sockets: list[WebsocketCommunicator] = []

    async def open_it(
        user: Any, cohort_id: Any, query: str = "?as=html&view=live", language: str = "en"
    ) -> WebsocketCommunicator:
        async def authenticate() -> Any:
            return user

        path = f"/ws/classroom/{cohort_id}{query}"
        socket = PatientSocket(URLRouter(websocket_urlpatterns), path)
        socket.scope |= {"user": user, "authenticate": authenticate, "language": language}
        sockets.append(socket)
        is_accepted, _protocol = await socket.connect()
        assert is_accepted
        return socket

    yield open_it
    for socket in sockets:
        await socket.disconnect()


async def _do(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return await database_sync_to_async(work)(*args, **kwargs)


async def _closed(socket: WebsocketCommunicator) -> int:
    message = await socket.receive_output()
    assert message["type"] == "websocket.close", message
    return int(message["code"])


def _part_names(html: str) -> set[str]:
    return set(re.findall(r'id="([\w-]+)"[^>]* hx-swap-oob="true"', html))


def _open(enrolment: Enrolment) -> None:
    StepProgress.objects.create(enrolment=enrolment, step_key="hello", active_seconds=60)
    verify_step(enrolment, "hello")


@live_socket
async def test_only_reviewers_of_the_class_may_listen(
    open_socket: Open, pinned: CohortCourse, instructor: User, student: User
) -> None:
    assert await _closed(await open_socket(AnonymousUser(), pinned.cohort_id)) == 4401
    assert await _closed(await open_socket(student, pinned.cohort_id)) == 4404
    assert await _closed(await open_socket(instructor, uuid4())) == 4404
    nothing = "?as=html&view=nothing"
    assert await _closed(await open_socket(instructor, pinned.cohort_id, nothing)) == 4404
    await _do(join, pinned.cohort, student, Role.OBSERVER)
    html = await (await open_socket(student, pinned.cohort_id)).receive_from()
    assert _part_names(html) == {"live-summary", "live-grid", "class-news", "needs-count"}


@live_socket
async def test_a_change_of_a_student_sends_the_parts_that_changed(
    open_socket: Open, pinned: CohortCourse, instructor: User
) -> None:
    member = await _do(make_member, pinned, "aya")
    socket = await open_socket(instructor, pinned.cohort_id)
    assert "#cell-passed" not in await socket.receive_from()
    await _do(_open, member)
    html = await socket.receive_from()
    assert _part_names(html) == {"live-grid"}
    assert "#cell-passed" in html


@live_socket
async def test_a_hint_without_a_change_sends_nothing(
    open_socket: Open, pinned: CohortCourse, instructor: User
) -> None:
    socket = await open_socket(instructor, pinned.cohort_id)
    await socket.receive_from()
    group = f"courses.class.{pinned.cohort_id}"
    for _hint in range(3):
        await get_channel_layer().group_send(group, {"type": "class.changed"})
    assert await socket.receive_nothing(0.2)


@live_socket
async def test_a_hand_is_told_once_and_its_end_is_not(
    open_socket: Open, pinned: CohortCourse, instructor: User
) -> None:
    member = await _do(make_member, pinned, "aya")
    query = "?as=html&view=needs"
    socket = await open_socket(instructor, pinned.cohort_id, query)
    await socket.receive_from()
    await _do(raise_hand, member, "hello")
    html = await socket.receive_from()
    assert _part_names(html) == {"needs-list", "class-news", "needs-count"}
    assert "aya asks for help at “The step hello”." in html
    await _do(take_back, member, "hello")
    assert _part_names(await socket.receive_from()) == {"needs-list", "needs-count"}


@live_socket
async def test_the_tabs_of_every_other_page_count_who_waits(
    open_socket: Open, pinned: CohortCourse, instructor: User
) -> None:
    member = await _do(make_member, pinned, "aya")
    socket = await open_socket(instructor, pinned.cohort_id, "?as=html&view=tabs")
    assert "badge" not in await socket.receive_from()
    await _do(raise_hand, member, "hello")
    html = await socket.receive_from()
    assert _part_names(html) == {"needs-count"}
    assert '<span class="badge badge--warning">1</span>' in html
    await _do(take_back, member, "hello")
    assert "badge" not in await socket.receive_from()


@pytest.mark.django_db
def test_each_page_of_a_class_has_one_socket_and_one_count(
    pinned: CohortCourse, instructor: User, client_of: Callable[[User], Client]
) -> None:
    raise_hand(make_member(pinned, "aya"), "hello")
    client = client_of(instructor)
    for tab in TABS:
        page = client.get(address(pinned, tab.key)).content.decode()
        view = tab.key if tab.key in PIECES else "tabs"
        assert page.count("ws-connect") == page.count(f"view={view}") == 1, tab.key
        assert page.count('id="needs-count"') == 1, tab.key
        assert "js/classroom_live.js" in page, tab.key
    polled = client.get(address(pinned, "tab_pieces")).content.decode()
    assert _part_names(polled) == {"needs-count"}
    assert '<span class="badge badge--warning">1</span>' in polled


@live_socket
async def test_a_lost_hint_costs_only_a_moment(
    open_socket: Open,
    pinned: CohortCourse,
    instructor: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ClassroomConsumer, "recheck_changes_seconds", 0.05)
    member = await _do(make_member, pinned, "aya")
    socket = await open_socket(instructor, pinned.cohort_id)
    await socket.receive_from()
    get_channel_layer().groups.clear()
    await _do(_open, member)
    assert "#cell-passed" in await socket.receive_from()


@live_socket
async def test_who_loses_the_class_hears_no_more_of_it(
    open_socket: Open,
    pinned: CohortCourse,
    instructor: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ClassroomConsumer, "recheck_changes_seconds", 0.05)
    socket = await open_socket(instructor, pinned.cohort_id)
    await socket.receive_from()
    await _do(Membership.objects.filter(user=instructor).delete)
    assert await _closed(socket) == 4404


@live_socket
async def test_parts_are_in_the_listeners_language_and_projected_when_asked(
    open_socket: Open, pinned: CohortCourse, instructor: User
) -> None:
    await _do(make_member, pinned, "aya-real-name")
    query = "?as=html&view=live&projected=1"
    socket = await open_socket(instructor, pinned.cohort_id, query, language="ja")
    html = await socket.receive_from()
    assert "aya-real-name" not in html
    assert "ステップhello" in html


@live_socket
async def test_a_program_is_told_that_something_changed(
    open_socket: Open, pinned: CohortCourse, instructor: User
) -> None:
    socket = await open_socket(instructor, pinned.cohort_id, "?view=live")
    assert await socket.receive_json_from() == {"type": "changed"}


@live_socket
async def test_without_a_class_nobody_is_told(tmp_path: Path, pinned: CohortCourse) -> None:
    member = await _do(make_member, pinned, "aya")
    await _do(Cohort.objects.all().delete)
    await _do(member.refresh_from_db)
    await _do(_open, member)
    assert (await _do(StepProgress.objects.get)).state == "passed"
