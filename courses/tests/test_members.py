"""Roles in a class and removing people: by instructors alone, and never against another one unawares."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client

from accounts.models import AuditEvent, Cohort, JoinRequest, Membership, RosterEntry, User
from common.errors import ConflictError, ForbiddenError, NotFoundError
from courses.models import Enrolment, HelpRequest, StepProgress
from courses.services.members import change_role, remove_member
from courses.tests.factories import enrol
from courses.tests.roster_class import Role, address, join, make_class, take_sample

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


@pytest.fixture
def cohort(instructor: User, student: User) -> Cohort:
    return make_class(instructor, student)


@pytest.fixture
def assistant(cohort: Cohort) -> User:
    user = User.objects.create_user("taro")
    join(cohort, user, Role.ASSISTANT)
    return user


@pytest.fixture
def client(instructor: User, cohort: Cohort, client_of: SignIn) -> Client:
    return client_of(instructor)


def member_of(cohort: Cohort, user: User) -> Membership:
    return Membership.objects.get(cohort=cohort, user=user)


def text_of(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return answer.content.decode()


def test_an_instructor_changes_a_role(
    cohort: Cohort, student: User, client: Client, instructor: User
) -> None:
    member = member_of(cohort, student)
    sent = {"role": "assistant", "seen_role": "student"}
    answer = client.post(address(cohort, "member_role", member.pk), sent, follow=True)
    assert "has the role “Teaching assistant” now" in answer.content.decode()
    event = AuditEvent.objects.get()
    assert (event.kind, event.person, event.actor) == ("role_changed", student, instructor)
    assert event.details == {"role": "assistant", "old_role": "student"}


def test_a_role_that_is_none_is_told_at_the_field(
    cohort: Cohort, student: User, client: Client
) -> None:
    member = member_of(cohort, student)
    answer = client.post(
        address(cohort, "member_role", member.pk), {"role": "king", "seen_role": "student"}
    )
    assert answer.status_code == 422
    assert 'id="member-role-error"' in answer.content.decode()
    assert member_of(cohort, student).role == "student"
    again = client.get(address(cohort, "member_role", member.pk))
    assert again.url == address(cohort, "member", member.pk)


def test_what_another_instructor_did_meanwhile_is_told(
    cohort: Cohort, student: User, client: Client
) -> None:
    member = member_of(cohort, student)
    Membership.objects.filter(pk=member.pk).update(role=Role.OBSERVER)
    for name, sent in (
        ("member_role", {"role": "assistant", "seen_role": "student"}),
        ("member_remove", {"seen_role": "student"}),
        ("member_remove", {}),
    ):
        page = client.post(address(cohort, name, member.pk), sent, follow=True).content.decode()
        assert "somebody else made this person “Observer” meanwhile" in page
    assert member_of(cohort, student).role == Role.OBSERVER


def test_an_assistant_neither_changes_roles_nor_removes_nor_imports(
    cohort: Cohort, student: User, assistant: User, client_of: SignIn
) -> None:
    helper = client_of(assistant)
    member, entry = (
        member_of(cohort, student),
        RosterEntry.objects.create(cohort=cohort, username="later"),
    )
    page = text_of(helper, address(cohort, "member", member.pk))
    assert "Change the role" not in page
    assert "Remove" not in page
    sent = {"role": "assistant", "seen_role": "student"}
    assert helper.post(address(cohort, "member_role", member.pk), sent).status_code == 403
    assert helper.post(address(cohort, "member_remove", member.pk), sent).status_code == 403
    assert helper.get(address(cohort, "roster_import")).status_code == 403
    assert helper.post(address(cohort, "roster_expected_remove", entry.pk), sent).status_code == 403
    own = member_of(cohort, assistant)
    with pytest.raises(ForbiddenError):
        change_role(assistant, cohort, own.pk, role="instructor", seen_role="assistant")
    assert helper.get(address(cohort, "roster_export")).status_code == 200


def test_the_last_instructor_stays(cohort: Cohort, instructor: User, student: User) -> None:
    own = member_of(cohort, instructor)
    gone = User.objects.create_user("gone", is_active=False)
    join(cohort, gone, Role.INSTRUCTOR)
    with pytest.raises(ConflictError, match="last instructor"):
        change_role(instructor, cohort, own.pk, role="student", seen_role="instructor")
    with pytest.raises(ConflictError, match="last instructor"):
        remove_member(instructor, cohort, own.pk, seen_role="instructor")
    join(cohort, User.objects.create_user("second"), Role.INSTRUCTOR)
    change_role(instructor, cohort, own.pk, role="student", seen_role="instructor")
    with pytest.raises(ForbiddenError):
        change_role(instructor, cohort, own.pk, role="instructor", seen_role="student")


def test_who_makes_themselves_a_student_is_led_away(
    cohort: Cohort, instructor: User, client: Client
) -> None:
    join(cohort, User.objects.create_user("second"), Role.INSTRUCTOR)
    own = member_of(cohort, instructor)
    sent = {"role": "student", "seen_role": "instructor"}
    answer = client.post(address(cohort, "member_role", own.pk), sent)
    assert answer.url == "/classes/"


def test_a_removed_person_keeps_their_work_and_does_not_come_back_by_the_roster(
    cohort: Cohort, student: User, other_student: User, client: Client, tmp_path: Path
) -> None:
    take_sample(cohort, tmp_path)
    enrolment = enrol(student, "sample")
    progress = StepProgress.objects.create(enrolment=enrolment, step_key="hello")
    HelpRequest.objects.create(enrolment=enrolment, step_key="hello")
    for fields in ({"username": "aiko"}, {"email": "aiko@example.org"}, {"username": "other"}):
        RosterEntry.objects.create(cohort=cohort, **fields)
    member = member_of(cohort, student)
    answer = client.post(address(cohort, "member_remove", member.pk), {"seen_role": "student"})
    assert answer.url == address(cohort)
    assert not Membership.objects.filter(pk=member.pk).exists()
    enrolment = Enrolment.objects.get(pk=enrolment.pk)
    assert enrolment.cohort is None
    assert list(enrolment.steps.all()) == [progress]
    assert HelpRequest.objects.get().state == "cancelled"
    assert RosterEntry.objects.get().username == "other"
    event = AuditEvent.objects.get()
    assert (event.kind, event.person) == ("member_removed", student)


def test_members_of_other_classes_are_not_there(
    cohort: Cohort, instructor: User, other_student: User, client: Client
) -> None:
    other = make_class(User.objects.create_user("second"), other_student, name="Other")
    member = member_of(other, other_student)
    entry = RosterEntry.objects.create(cohort=other, username="later")
    asked = JoinRequest.objects.create(cohort=other, user=instructor)
    assert client.get(address(cohort, "member", member.pk)).status_code == 404
    for name, ids in (
        ("member_role", [member.pk]),
        ("member_remove", [member.pk]),
        ("roster_expected_remove", [entry.pk]),
        ("roster_request", [asked.pk]),
    ):
        sent = {"role": "assistant", "seen_role": "student", "action": "accept"}
        assert client.post(address(cohort, name, *ids), sent).status_code == 404, name
    with pytest.raises(NotFoundError):
        remove_member(instructor, cohort, member.pk, seen_role="student")
    assert member_of(other, other_student).role == "student"
