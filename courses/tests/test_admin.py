"""The administration of classes: an instructor reads the facts of the own classes, the owner those of all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.auditing import note_act
from accounts.models import Cohort, Membership, RosterEntry, User
from courses.models import CohortCourse, DueOverride, Enrolment, StepProgress
from courses.services.helping import raise_hand
from courses.tests.live_factories import Role, join, make_class, make_member

pytestmark = pytest.mark.django_db
Sign = Callable[[User], Client]
LISTS = (
    "accounts_auditevent",
    "accounts_rosterentry",
    "courses_cohortcourse",
    "courses_dueoverride",
    "courses_enrolment",
    "courses_helprequest",
)


@pytest.fixture
def pinned(tmp_path: Path, instructor: User) -> CohortCourse:
    """The class of the instructor, and one of somebody else that takes the same course."""
    mine = make_class(tmp_path, instructor, name="Mine")
    theirs = Cohort.objects.create(name="Theirs")
    join(theirs, User.objects.create_user("leo"), Role.INSTRUCTOR)
    other = CohortCourse.objects.create(cohort=theirs, course=mine.course, version=mine.version)
    for row, name in ((mine, "aya"), (other, "bo")):
        enrolment = make_member(row, name)
        due_at = timezone.now() + timedelta(days=1)
        DueOverride.objects.create(
            cohort_course=row, user=enrolment.user, due_at=due_at, reason=f"{name} was ill"
        )
        StepProgress.objects.create(enrolment=enrolment, step_key="hello", tries=3)
        raise_hand(enrolment, "hello")
        RosterEntry.objects.create(cohort=row.cohort, username=f"{name}-expected")
        note_act(None, "help_claimed", cohort=row.cohort, person=enrolment.user)
    return mine


def listed(client: Client, name: str, **query: str) -> str:
    answer = client.get(reverse(f"admin:{name}_changelist"), query)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("name", LISTS)
def test_an_instructor_reads_the_own_class(
    pinned: CohortCourse, instructor: User, name: str, client_of: Sign
) -> None:
    client = client_of(instructor)
    page = listed(client, name)
    assert "1 result" in page or "paginator" in page
    for hidden in ("Theirs", "bo-expected", ">bo<", "bo ·"):
        assert hidden not in page
    assert listed(client, name, q="bo").count('class="action-select"') == 0
    owner = client_of(User.objects.create_superuser("owner"))
    assert "Theirs" in listed(owner, name)


def test_one_row_of_another_class_is_not_there(
    pinned: CohortCourse, instructor: User, client_of: Sign
) -> None:
    client = client_of(instructor)
    own = Enrolment.objects.get(user__username="aya")
    page = client.get(reverse("admin:courses_enrolment_change", args=[own.pk])).content.decode()
    assert "hello" in page
    assert 'name="_save"' not in page
    foreign = Enrolment.objects.get(user__username="bo")
    answer = client.get(reverse("admin:courses_enrolment_change", args=[foreign.pk]))
    assert answer.status_code == 302
    Membership.objects.filter(user=instructor).delete()
    answer = client.get(reverse("admin:courses_enrolment_change", args=[own.pk]))
    assert answer.status_code == 302


@pytest.mark.parametrize("page", ["change", "delete"])
def test_what_a_class_takes_is_decided_on_its_page(
    pinned: CohortCourse, page: str, client_of: Sign
) -> None:
    owner = client_of(User.objects.create_superuser("owner"))
    address = reverse(f"admin:courses_cohortcourse_{page}", args=[pinned.pk])
    assert owner.post(address, {"opened_steps": '["quiz"]', "post": "yes"}).status_code == 403
    pinned.refresh_from_db()
    assert pinned.opened_steps == []
