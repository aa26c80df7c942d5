"""Joining a class by its code: who gets in, who waits, who is refused and why; and the way out."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.joining import codes, entering, openness, services
from accounts.joining.entering import WRONG_CODES_PER_ADDRESS, WRONG_CODES_PER_PERSON
from accounts.models import AuditEvent, Cohort, JoinRequest, Membership, Notification, User
from accounts.tests.classes import CODE, make_class, make_students, put
from common.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from conftest import PASSWORD

pytestmark = pytest.mark.django_db
FORM, LIST, COURSES = (
    reverse(name) for name in ("accounts:join_form", "accounts:class_list", "courses:course_list")
)
NOTIFICATIONS = reverse("accounts:notifications")
LINK = reverse("accounts:join_class", args=["ABCD-2345"])
UNKNOWN = "No class can be joined with this code."
Sign = Callable[[User], Client]


@pytest.fixture(autouse=True)
def _nobody_has_tried() -> None:
    cache.clear()


@pytest.fixture
def signed_in(student: User, client_of: Sign) -> Client:
    return client_of(student)


@pytest.fixture
def cohort(instructor: User) -> Cohort:
    return make_class(instructor)


def text_of(response: Any) -> str:
    return response.content.decode()


def role_of(person: User, cohort: Cohort) -> str:
    return Membership.objects.get(user=person, cohort=cohort).role


# --- codes ----------------------------------------------------------------------------------------


def test_a_code_has_no_characters_that_look_alike() -> None:
    for _try in range(50):
        code = codes.new_code()
        assert len(code) == 8
        assert not set(code) & set("0O1IL")
        assert codes.normalised(codes.shown_code(code)) == code


@pytest.mark.parametrize(
    "typed",
    [
        *("ABCD2345", "abcd-2345", " ab cd 23 45 ", "A-B-C-D-2-3-4-5"),
        *("ＡＢＣＤ－２３４５", "ａｂｃｄ　２３４５", "ABCDー2345"),
    ],
)
def test_a_code_is_read_however_it_is_typed(typed: str) -> None:
    assert codes.normalised(typed) == CODE


@pytest.mark.parametrize(
    "typed", ["", "ABCD234", "ABCD23456", "ABCD2340", "あいうえおかきく", "A" * 99, "\x00"]
)
def test_what_can_be_no_code_is_none(typed: str) -> None:
    assert codes.normalised(typed) == ""


# --- the code of a class --------------------------------------------------------------------------


def test_a_new_code_ends_the_one_before(instructor: User, student: User, cohort: Cohort) -> None:
    opened = services.open_joining(instructor, cohort)
    cohort.refresh_from_db()
    assert opened.join_code == cohort.join_code != CODE
    assert cohort.join_code_expires_at is not None
    assert timedelta(days=13) < cohort.join_code_expires_at - timezone.now() < timedelta(days=15)
    with pytest.raises(NotFoundError, match=UNKNOWN):
        entering.class_of_code(student, "", CODE)
    assert entering.class_of_code(student, "", cohort.join_code) == cohort
    event = AuditEvent.objects.get(kind="join_code_made")
    assert (event.actor, event.cohort, event.details) == (instructor, cohort, {"days": 14})


def test_a_code_is_switched_off_once(instructor: User, student: User, cohort: Cohort) -> None:
    for _time in range(2):
        assert services.close_joining(instructor, cohort).join_code == ""
    with pytest.raises(NotFoundError):
        entering.class_of_code(student, "", CODE)
    with pytest.raises(NotFoundError):
        entering.class_of_code(student, "", "")
    assert AuditEvent.objects.filter(kind="join_code_closed").count() == 1


def test_only_leaders_decide_on_the_code(
    student: User, other_student: User, cohort: Cohort
) -> None:
    put(student, cohort)
    put(other_student, cohort, Membership.Role.OBSERVER)
    for person in (student, other_student):
        with pytest.raises(ForbiddenError):
            services.open_joining(person, cohort)
        with pytest.raises(ForbiddenError):
            services.close_joining(person, cohort)
    assert Cohort.objects.get().join_code == CODE


@pytest.mark.parametrize("days", [0, -1, 366])
def test_a_code_is_valid_for_a_bounded_time(instructor: User, cohort: Cohort, days: int) -> None:
    with pytest.raises(InvalidInputError):
        services.open_joining(instructor, cohort, days=days)
    assert Cohort.objects.get().join_code == CODE


def test_a_code_that_was_replaced_meanwhile_joins_nobody(
    instructor: User, student: User, cohort: Cohort
) -> None:
    found = entering.class_of_code(student, "", CODE)
    services.open_joining(instructor, cohort)
    with pytest.raises(NotFoundError, match=UNKNOWN):
        entering.join(student, found)
    assert not Membership.objects.filter(user=student).exists()


# --- joining on the pages -------------------------------------------------------------------------


def test_the_form_leads_to_the_class_and_a_button_joins_it(
    signed_in: Client, student: User, instructor: User, cohort: Cohort
) -> None:
    found = signed_in.post(FORM, {"code": "abcd 2345"})
    assert (found.status_code, found.url) == (302, LINK)
    page = text_of(signed_in.get(LINK))
    assert "Class 2B" in page
    assert str(instructor) in page
    assert "What those who lead the class will see" in page
    assert not Membership.objects.filter(user=student).exists()
    joined = signed_in.post(LINK)
    assert (joined.status_code, joined.url) == (302, COURSES)
    member = Membership.objects.get(user=student)
    assert (member.role, member.source) == ("student", "code")
    assert "You are in the class “Class 2B”." in text_of(signed_in.get(COURSES))


def test_a_stranger_signs_up_and_comes_back_to_the_class(cohort: Cohort) -> None:
    client = Client()
    sent_away = client.get(LINK)
    assert sent_away.url == f"{reverse('account_login')}?next={quote(LINK)}"
    assert f"{reverse('account_signup')}?next={quote(LINK, safe='')}" in text_of(
        client.get(sent_away.url)
    )
    fields = {"username": "dai", "password1": PASSWORD, "password2": PASSWORD, "next": LINK}
    assert client.post(reverse("account_signup"), fields).url == LINK
    assert "Class 2B" in text_of(client.get(LINK))


def test_joining_twice_does_no_more_than_once(
    signed_in: Client, student: User, cohort: Cohort
) -> None:
    put(student, cohort)
    page = text_of(signed_in.get(LINK))
    assert "You are in this class already." in page
    assert COURSES in page
    assert "Join this class" not in page
    assert signed_in.post(LINK).url == COURSES
    assert Membership.objects.filter(user=student).count() == 1


def test_a_leader_who_opens_the_link_stays_what_they_are(
    instructor: User, client_of: Sign, cohort: Cohort
) -> None:
    assert client_of(instructor).post(LINK).status_code == 302
    assert role_of(instructor, cohort) == "instructor"


@pytest.mark.parametrize(
    "fields",
    [
        {"join_code": "ZZZZ9999"},
        {"join_code_expires_at": timezone.now() - timedelta(minutes=1)},
        {"join_code_expires_at": None},
    ],
)
def test_a_wrong_and_an_expired_code_are_refused_alike(
    signed_in: Client, cohort: Cohort, fields: dict[str, Any]
) -> None:
    Cohort.objects.update(**fields)
    refused = signed_in.post(FORM, {"code": "abcd2345"})
    assert refused.status_code == 422
    page = text_of(refused)
    assert UNKNOWN in page
    assert 'id="id_code_error"' in page
    assert 'value="abcd2345"' in page
    for answer in (signed_in.get(LINK), signed_in.post(LINK)):
        assert answer.status_code == 404
        assert UNKNOWN in text_of(answer)
        assert "Class 2B" not in text_of(answer)


@pytest.mark.parametrize("sent", [{}, {"code": ""}, {"code": "x" * 41}])
def test_a_form_without_a_code_is_refused_at_the_field(
    signed_in: Client, sent: dict[str, str]
) -> None:
    refused = signed_in.post(FORM, sent)
    assert refused.status_code == 422
    assert 'id="id_code_error"' in text_of(refused)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "closed"}, "is closed"),
        ({"ends_on": timezone.localdate() - timedelta(days=2)}, "is over"),
        ({"seats": 0}, "all are taken"),
    ],
)
def test_a_class_that_takes_nobody_says_why(
    signed_in: Client, student: User, cohort: Cohort, fields: dict[str, Any], reason: str
) -> None:
    Cohort.objects.update(**fields)
    page = text_of(signed_in.get(LINK))
    assert reason in page
    assert "Join this class" not in page
    refused = signed_in.post(LINK)
    assert refused.status_code == 409
    assert reason in text_of(refused)
    assert not Membership.objects.filter(user=student).exists()


def test_seats_are_for_students_only(student: User, other_student: User, instructor: User) -> None:
    cohort = make_class(instructor, seats=1)
    entering.join(student, cohort)
    with pytest.raises(ConflictError, match="1 seat"):
        entering.join(other_student, cohort)
    Membership.objects.filter(user=student).update(role=Membership.Role.ASSISTANT)
    assert entering.join(other_student, cohort).is_new


def test_the_last_day_is_one_of_the_class_in_its_time_zone(instructor: User) -> None:
    cohort = make_class(instructor)
    for zone in ("", "Pacific/Kiritimati", "Pacific/Pago_Pago"):
        cohort.time_zone = zone
        cohort.ends_on = openness.today_in(cohort)
        assert openness.phase_of(cohort) == "running"
        cohort.ends_on -= timedelta(days=1)
        assert openness.phase_of(cohort) == "over"
        cohort.ends_on, cohort.starts_on = None, openness.today_in(cohort) + timedelta(days=1)
        assert openness.phase_of(cohort) == "upcoming"
        cohort.starts_on = None
    cohort.time_zone = "Nowhere/../Town"
    assert openness.today_in(cohort) == timezone.localdate()


# --- guessing -------------------------------------------------------------------------------------


def test_guessing_is_slowed_down_and_a_right_code_is_no_guess(
    signed_in: Client, cohort: Cohort
) -> None:
    for _time in range(WRONG_CODES_PER_PERSON + 2):
        assert signed_in.get(LINK).status_code == 200
    wrong = reverse("accounts:join_class", args=["ZZZZ-9999"])
    for _try in range(WRONG_CODES_PER_PERSON):
        assert signed_in.get(wrong).status_code == 404
    # From now on a right code would tell that it is one.
    for refused in (
        signed_in.post(FORM, {"code": CODE}),
        signed_in.get(LINK),
        signed_in.post("/api/cohorts/join", {"code": CODE}, content_type="application/json"),
    ):
        assert refused.status_code == 429
        assert 1 <= int(refused["Retry-After"]) <= 600
        assert "Too many tries" in text_of(refused)
    assert not Membership.objects.filter(role="student").exists()


def test_of_others_at_the_same_address_many_may_mistype(
    signed_in: Client, other_student: User, client_of: Sign, cohort: Cohort
) -> None:
    for _try in range(WRONG_CODES_PER_PERSON):
        signed_in.post(FORM, {"code": "ZZZZ9999"})
    assert client_of(other_student).get(LINK).status_code == 200
    for number in range(WRONG_CODES_PER_ADDRESS - WRONG_CODES_PER_PERSON):
        person = User(pk=10_000 + number)
        with pytest.raises(NotFoundError):
            entering.class_of_code(person, "127.0.0.1", "ZZZZ9999")
    assert client_of(other_student).get(LINK).status_code == 429
    assert client_of(other_student).get(LINK, REMOTE_ADDR="10.0.0.9").status_code == 200


# --- approval -------------------------------------------------------------------------------------


@pytest.fixture
def approving(instructor: User) -> Cohort:
    return make_class(instructor, needs_approval=True)


def test_who_asks_waits_and_is_told_of_the_decision(
    signed_in: Client, student: User, instructor: User, client_of: Sign, approving: Cohort
) -> None:
    assert "Ask to join" in text_of(signed_in.get(LINK))
    assert signed_in.post(LINK).url == LIST
    assert "Waiting to be let in" in text_of(signed_in.get(LIST))
    assert "Your request waits already" in text_of(signed_in.get(LINK))
    signed_in.post(LINK)
    request = JoinRequest.objects.get()
    assert not Membership.objects.filter(user=student).exists()
    assert Notification.objects.get(user=instructor).kind == "join_asked"
    board = client_of(instructor)
    assert "Somebody asks to join “Class 2B”" in text_of(board.get(NOTIFICATIONS))
    assert "1 person asks to join" in text_of(board.get(LIST))
    assert "asks to join" not in text_of(signed_in.get(LIST))

    member = services.accept(instructor, request)
    assert (member.user, member.role, member.source) == (student, "student", "code")
    assert not JoinRequest.objects.exists()
    event = AuditEvent.objects.get(kind="join_accepted")
    assert (event.actor, event.person, event.cohort) == (instructor, student, approving)
    assert Notification.objects.get(user=student).kind == "join_accepted"
    assert "You are in the class “Class 2B”" in text_of(signed_in.get(NOTIFICATIONS))


def test_who_is_declined_may_ask_again(
    student: User, instructor: User, approving: Cohort, signed_in: Client
) -> None:
    entering.join(student, approving)
    services.decline(instructor, JoinRequest.objects.get())
    assert not Membership.objects.filter(user=student).exists()
    assert AuditEvent.objects.get().kind == "join_declined"
    assert "You were not let into the class “Class 2B”" in text_of(signed_in.get(NOTIFICATIONS))
    assert entering.join(student, approving).is_new


def test_a_request_is_decided_once_and_by_leaders_of_its_class(
    student: User, other_student: User, instructor: User, approving: Cohort
) -> None:
    entering.join(student, approving)
    request = JoinRequest.objects.get()
    make_class(other_student, name="Other", join_code="", join_code_expires_at=None)
    for decide in (services.accept, services.decline):
        with pytest.raises(ForbiddenError):
            decide(other_student, request)
        with pytest.raises(ForbiddenError):
            decide(student, request)
    services.accept(instructor, request)
    for decide in (services.accept, services.decline):
        with pytest.raises(NotFoundError, match="This request is gone"):
            decide(instructor, request)
    assert role_of(student, approving) == "student"


def test_nobody_is_let_into_a_full_class(
    student: User, other_student: User, instructor: User, approving: Cohort
) -> None:
    entering.join(student, approving)
    put(other_student, approving)
    Cohort.objects.update(seats=1)
    with pytest.raises(ConflictError, match="1 seat"):
        services.accept(instructor, JoinRequest.objects.get())
    assert JoinRequest.objects.exists()
    put(student, approving, Membership.Role.ASSISTANT)
    assert services.accept(instructor, JoinRequest.objects.get()).role == "assistant"


def test_who_waits_joins_once_the_class_approves_no_more(student: User, approving: Cohort) -> None:
    entering.join(student, approving)
    Cohort.objects.update(needs_approval=False)
    assert entering.join(student, approving).state == "joined"
    assert not JoinRequest.objects.exists()


def test_a_request_is_taken_back_by_its_owner_alone(
    student: User, signed_in: Client, other_student: User, client_of: Sign, approving: Cohort
) -> None:
    entering.join(student, approving)
    address = reverse("accounts:request_take_back", args=[JoinRequest.objects.get().pk])
    assert client_of(other_student).post(address).status_code == 404
    assert signed_in.get(address).status_code == 405
    assert signed_in.post(address).url == LIST
    assert not JoinRequest.objects.exists()
    assert signed_in.post(address).status_code == 404


# --- leaving --------------------------------------------------------------------------------------


def test_leaving_is_asked_about_and_noted(signed_in: Client, student: User, cohort: Cohort) -> None:
    put(student, cohort)
    address = reverse("accounts:class_leave", args=[cohort.pk])
    assert address in text_of(signed_in.get(LIST))
    assert "Leave “Class 2B”?" in text_of(signed_in.get(address))
    assert Membership.objects.filter(user=student).exists()
    assert signed_in.post(address).url == LIST
    assert not Membership.objects.filter(user=student).exists()
    event = AuditEvent.objects.get()
    assert (event.kind, event.actor, event.person) == ("member_left", student, student)
    assert signed_in.post(address).status_code == 404


def test_others_leave_no_class_of_mine(signed_in: Client, cohort: Cohort) -> None:
    for class_id in (cohort.pk, uuid4()):
        address = reverse("accounts:class_leave", args=[class_id])
        assert signed_in.get(address).status_code == 404
        assert signed_in.post(address).status_code == 404


def test_the_last_instructor_stays(
    instructor: User, other_student: User, client_of: Sign, cohort: Cohort
) -> None:
    put(other_student, cohort, Membership.Role.ASSISTANT)
    client, address = client_of(instructor), reverse("accounts:class_leave", args=[cohort.pk])
    page = text_of(client.get(address))
    assert "You are the only instructor" in page
    assert "Leave the class" not in page
    assert "You are the only instructor" in text_of(client.post(address, follow=True))
    assert role_of(instructor, cohort) == "instructor"
    Membership.objects.filter(user=other_student).update(role=Membership.Role.INSTRUCTOR)
    client.post(address)
    assert not Membership.objects.filter(user=instructor).exists()


# --- the page of one's classes --------------------------------------------------------------------


def test_the_page_of_somebody_in_no_class_offers_to_join_one(signed_in: Client) -> None:
    page = text_of(signed_in.get(LIST))
    assert "You are in no class yet" in page
    assert f'action="{FORM}"' in page
    assert LIST in text_of(signed_in.get(reverse("home"))).split('id="main"')[1]


def test_who_is_in_a_class_is_not_asked_to_join_one(
    signed_in: Client, student: User, cohort: Cohort
) -> None:
    put(student, cohort)
    assert "Do you learn in a class?" not in text_of(signed_in.get(reverse("home")))
    page = text_of(signed_in.get(LIST))
    assert COURSES in page.split('id="main"')[1]
    assert "Under way" in page


def test_a_class_shows_how_it_stands(signed_in: Client, student: User, instructor: User) -> None:
    today = timezone.localdate()
    for number, fields in enumerate(
        (
            {"starts_on": today + timedelta(days=3)},
            {"ends_on": today - timedelta(days=3)},
            {"status": "closed"},
        )
    ):
        put(student, make_class(instructor, name=f"C{number}", join_code="", **fields))
    page = text_of(signed_in.get(LIST))
    for word in ("Not begun", "Over", "Closed"):
        assert f"</svg>{word}</span>" in page


def test_more_classes_take_no_more_queries(
    signed_in: Client, student: User, instructor: User
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            signed_in.get(LIST)
        return len(captured)

    def join_more(count: int, prefix: str) -> None:
        for number in range(count):
            cohort = make_class(instructor, name=f"{prefix}{number}", join_code="")
            make_students(cohort, 2)
            put(student, cohort)
            waited = make_class(instructor, name=f"{prefix}w{number}", join_code="")
            JoinRequest.objects.create(user=student, cohort=waited)

    join_more(1, "a")
    signed_in.get(LIST)
    before = queries()
    join_more(5, "b")
    assert queries() == before


@pytest.mark.parametrize("address", [FORM, LIST, LINK])
def test_strangers_are_asked_to_sign_in(address: str) -> None:
    answer = Client().get(address)
    assert answer.url.startswith(reverse("account_login"))


# --- the API --------------------------------------------------------------------------------------


def ask(client: Client, code: object) -> Any:
    return client.post("/api/cohorts/join", {"code": code}, content_type="application/json")


def test_a_program_joins_once(signed_in: Client, student: User, cohort: Cohort) -> None:
    answer = ask(signed_in, "abcd-2345")
    assert answer.status_code == 201
    body = answer.json()
    assert (body["role"], body["state"]) == ("student", "joined")
    assert body["cohort"]["id"] == str(cohort.pk)
    assert body["cohort"]["name"] == "Class 2B"
    again = ask(signed_in, CODE)
    assert (again.status_code, again.json()) == (200, body)
    listed = signed_in.get("/api/me/cohorts").json()
    assert listed["count"] == 1
    (item,) = listed["items"]
    assert (item["role"], item["cohort"]) == ("student", body["cohort"])
    assert item["joined_at"]


def test_a_program_waits(signed_in: Client, approving: Cohort) -> None:
    assert ask(signed_in, CODE).status_code == 201
    again = ask(signed_in, CODE)
    assert (again.status_code, again.json()["state"]) == (200, "waiting")
    assert signed_in.get("/api/me/cohorts").json()["items"] == []


def test_a_program_is_refused_in_the_same_words(
    signed_in: Client, cohort: Cohort, other_student: User, client_of: Sign
) -> None:
    unknown = ask(signed_in, "ZZZZ9999")
    assert unknown.status_code == 404
    assert unknown.json()["message"].startswith(UNKNOWN)
    Cohort.objects.update(seats=0)
    full = ask(signed_in, CODE)
    assert (full.status_code, full.json()["code"]) == (409, "conflict")
    for body in ("", 1, None, "x" * 41):
        assert ask(signed_in, body).status_code == 422
    assert ask(Client(), CODE).status_code == 401
    assert client_of(other_student).get("/api/me/cohorts").json()["count"] == 0


# --- the last seat --------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_the_last_seat_is_taken_once(instructor: User) -> None:
    cohort = make_class(instructor, seats=1)
    people = [User.objects.create(username=f"p{number}") for number in range(4)]
    start = Barrier(len(people))

    def hurry(person: User) -> bool:
        start.wait(timeout=10)
        try:
            return entering.join(person, cohort).is_new
        except ConflictError:
            return False
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(people)) as pool:
        assert sorted(pool.map(hurry, people)) == [False, False, False, True]
    assert cohort.memberships.filter(role="student").count() == 1
