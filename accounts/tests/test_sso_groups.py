"""Joining a class by the group that the school's directory tells of a person."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.joining.entering import leave, take_back
from accounts.joining.groups import join_by_groups
from accounts.joining.services import accept, decline
from accounts.models import AuditEvent, Cohort, JoinRequest, Membership, User
from accounts.tests.classes import make_class, make_students, put
from accounts.tests.oidc_server import OidcTestServer
from accounts.tests.sso_flow import notices_after, server_settings, sign_in
from courses.services.members import remove_member

pytestmark = pytest.mark.django_db
GROUP = "year-2b"
SignIn = Callable[[User], Client]


@pytest.fixture
def directory(directory: OidcTestServer) -> OidcTestServer:
    directory.person["groups"] = ["staff", GROUP]
    return directory


@pytest.fixture
def cohort(instructor: User) -> Cohort:
    return make_class(instructor, directory_group=GROUP)


def member_of(cohort: Cohort) -> Membership | None:
    return Membership.objects.filter(cohort=cohort, user__username="dai").first()


def dai() -> User:
    return User.objects.get(username="dai")


def kinds_in(cohort: Cohort) -> list[str]:
    return list(AuditEvent.objects.filter(cohort=cohort).values_list("kind", flat=True))


# --- coming in ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "told",
    [GROUP, f" {GROUP} ", ["staff", GROUP], [7, None, {"a": 1}, GROUP, GROUP]],
    ids=["text", "spaces", "list", "mixed"],
)
def test_whoever_is_in_the_group_is_in_the_class(
    told: Any, directory: OidcTestServer, cohort: Cohort
) -> None:
    directory.person["groups"] = told
    client = Client()
    sign_in(client)
    member = member_of(cohort)
    assert (member.role, member.source) == ("student", "sso")
    assert "You are in the class “Class 2B”." in notices_after(client)
    assert kinds_in(cohort) == ["group_joined"]


@pytest.mark.parametrize(
    "told",
    [None, "", [], {"year-2b": True}, True, "YEAR-2B", ["year-2"], "year-2b staff"],
    ids=["none", "empty", "no list", "object", "truth", "case", "part", "words"],
)
def test_nobody_else_is(told: Any, directory: OidcTestServer, cohort: Cohort) -> None:
    make_class(User.objects.get(), name="No group", join_code="")
    directory.person["groups"] = told
    sign_in(Client())
    assert not Membership.objects.filter(user=dai()).exists()


def test_a_group_in_the_token_alone_counts(directory: OidcTestServer, cohort: Cohort) -> None:
    directory.told = {"sub": directory.person["sub"]}
    sign_in(Client())
    assert member_of(cohort)


def test_without_a_claim_in_the_settings_nobody_joins(
    directory: OidcTestServer, cohort: Cohort, settings: Any
) -> None:
    settings.OIDC = server_settings(directory, groups_claim="")
    sign_in(Client())
    assert not member_of(cohort)


def test_all_classes_of_all_groups_are_joined_and_each_once(
    directory: OidcTestServer, cohort: Cohort, instructor: User
) -> None:
    second = make_class(instructor, name="Second", join_code="", directory_group="staff")
    for _time in range(2):
        sign_in(Client())
    assert member_of(cohort)
    assert member_of(second)
    assert kinds_in(cohort) == kinds_in(second) == ["group_joined"]


def test_somebody_who_comes_into_the_group_later_joins_then(
    directory: OidcTestServer, cohort: Cohort
) -> None:
    directory.person["groups"] = []
    sign_in(Client())
    assert not member_of(cohort)
    directory.person["groups"] = GROUP
    sign_in(Client())
    assert member_of(cohort)


def test_whoever_leaves_the_group_stays_in_the_class(
    directory: OidcTestServer, cohort: Cohort
) -> None:
    sign_in(Client())
    directory.person["groups"] = []
    sign_in(Client())
    assert member_of(cohort)


def test_the_role_of_somebody_who_is_in_the_class_stays(
    directory: OidcTestServer, cohort: Cohort
) -> None:
    directory.person["groups"] = []
    sign_in(Client())
    put(dai(), cohort, Membership.Role.ASSISTANT)
    directory.person["groups"] = GROUP
    sign_in(Client())
    assert member_of(cohort).role == "assistant"


def test_whoever_connects_their_account_joins_too(
    student: User, directory: OidcTestServer, cohort: Cohort, client_of: SignIn
) -> None:
    sign_in(client_of(student), process="connect")
    assert Membership.objects.get(user=student).cohort == cohort


def test_a_refused_sign_in_joins_nothing(
    student: User, directory: OidcTestServer, cohort: Cohort, client_of: SignIn
) -> None:
    """Whoever is signed in already is not the one who comes back."""
    directory.person |= {"email": student.email}
    sign_in(client_of(student))
    assert not Membership.objects.filter(user=student).exists()


# --- refusals -----------------------------------------------------------------------------------


def test_a_full_class_says_so_at_each_sign_in_until_there_is_a_seat(
    directory: OidcTestServer, cohort: Cohort
) -> None:
    Cohort.objects.update(seats=1)
    (other,) = make_students(cohort, 1)
    client = Client()
    for _time in range(2):
        assert sign_in(client).status_code == 302
        assert "“Class 2B” has 1 seat, and it is taken." in notices_after(client)
        assert not member_of(cohort)
    Membership.objects.filter(user=other).delete()
    sign_in(client)
    assert member_of(cohort)


@pytest.mark.parametrize(
    "fields",
    [{"status": Cohort.Status.CLOSED}, {"ends_on": timezone.now().date() - timedelta(days=3)}],
    ids=["closed", "over"],
)
def test_a_class_of_the_past_takes_nobody_and_says_nothing(
    fields: dict[str, Any], directory: OidcTestServer, cohort: Cohort
) -> None:
    Cohort.objects.update(**fields)
    client = Client()
    sign_in(client)
    assert not member_of(cohort)
    assert "Class 2B" not in notices_after(client)


def test_a_class_that_approves_lets_them_wait_once(
    directory: OidcTestServer, cohort: Cohort, instructor: User
) -> None:
    Cohort.objects.update(needs_approval=True)
    client = Client()
    sign_in(client)
    assert "your request waits until it is decided" in notices_after(client)
    sign_in(client)
    waiting = JoinRequest.objects.get()
    assert kinds_in(cohort) == ["group_asked"]
    accept(instructor, waiting)
    assert member_of(cohort).source == "sso"


# --- who has been there -------------------------------------------------------------------------


def _removed(cohort: Cohort, leader: User) -> None:
    remove_member(leader, cohort, member_of(cohort).pk, seen_role="student")


def _left(cohort: Cohort, _leader: User) -> None:
    leave(dai(), cohort)


def _deleted(cohort: Cohort, _leader: User) -> None:
    """As in the administration, which writes no entry of the log."""
    member_of(cohort).delete()


@pytest.mark.parametrize("go_out", [_removed, _left, _deleted], ids=["removed", "left", "deleted"])
def test_whoever_is_out_is_not_brought_back(
    go_out: Callable[[Cohort, User], None],
    directory: OidcTestServer,
    cohort: Cohort,
    instructor: User,
) -> None:
    sign_in(Client())
    go_out(cohort, instructor)
    sign_in(Client())
    assert not member_of(cohort)


def test_who_came_by_the_code_and_was_removed_does_not_come_back_by_the_group(
    directory: OidcTestServer, cohort: Cohort, instructor: User
) -> None:
    directory.person["groups"] = []
    sign_in(Client())
    put(dai(), cohort)
    _removed(cohort, instructor)
    directory.person["groups"] = GROUP
    sign_in(Client())
    assert not member_of(cohort)


@pytest.mark.parametrize("is_declined", [True, False], ids=["declined", "taken back"])
def test_a_request_that_is_gone_is_not_made_again(
    is_declined: bool, directory: OidcTestServer, cohort: Cohort, instructor: User
) -> None:
    Cohort.objects.update(needs_approval=True)
    sign_in(Client())
    waiting = JoinRequest.objects.get()
    if is_declined:
        decline(instructor, waiting)
    else:
        take_back(dai(), waiting.pk)
    sign_in(Client())
    assert not JoinRequest.objects.exists()


def test_a_class_without_a_group_takes_nobody_by_none(instructor: User, student: User) -> None:
    make_class(instructor, directory_group="")
    assert join_by_groups(student, [""]) == ([], [])
    assert not Membership.objects.filter(user=student).exists()


# --- the class names its group ------------------------------------------------------------------


def _page(client: Client, cohort: Cohort) -> dict[str, Any]:
    form = client.get(reverse("classroom:settings", args=[cohort.pk])).context["form"]
    values = {name: form[name].value() for name in form.fields}
    return {name: value for name, value in values.items() if value not in (None, False)}


def test_leaders_name_the_group_and_the_log_knows(
    directory: OidcTestServer, cohort: Cohort, instructor: User, client_of: SignIn
) -> None:
    client = client_of(instructor)
    fields = _page(client, cohort) | {"directory_group": "year-3c"}
    client.post(reverse("classroom:settings", args=[cohort.pk]), fields)
    cohort.refresh_from_db()
    assert cohort.directory_group == "year-3c"
    event = AuditEvent.objects.get(cohort=cohort)
    assert (event.kind, event.details) == ("cohort_changed", {"fields": ["directory_group"]})


def test_without_a_directory_nobody_is_asked_for_a_group(
    cohort: Cohort, instructor: User, client_of: SignIn
) -> None:
    client = client_of(instructor)
    fields = _page(client, cohort)
    assert "directory_group" not in fields
    client.post(reverse("classroom:settings", args=[cohort.pk]), fields | {"name": "New name"})
    cohort.refresh_from_db()
    assert (cohort.name, cohort.directory_group) == ("New name", GROUP)
