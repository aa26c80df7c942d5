"""Cohorts in the administration: people are put into them by name, with a role."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, Cohort, Membership, User

pytestmark = pytest.mark.django_db
LIST = reverse("admin:accounts_cohort_changelist")


@pytest.fixture
def board(instructor: User, client_of: Callable[[User], Client]) -> Client:
    instructor.is_superuser = True
    instructor.save()
    return client_of(instructor)


def membership_fields(*people: tuple[User, str]) -> dict[str, str]:
    fields = {
        "memberships-TOTAL_FORMS": str(len(people)),
        "memberships-INITIAL_FORMS": "0",
        "memberships-MIN_NUM_FORMS": "0",
        "memberships-MAX_NUM_FORMS": "1000",
    }
    for inline in ("compute_policy", "class_windows"):
        fields |= {f"{inline}-TOTAL_FORMS": "0", f"{inline}-INITIAL_FORMS": "0"}
    for number, (user, role) in enumerate(people):
        fields[f"memberships-{number}-user"] = str(user.pk)
        fields[f"memberships-{number}-role"] = role
    return fields


def test_a_cohort_is_made_with_its_people(board: Client, student: User, instructor: User) -> None:
    sent = {"name": "Class 2B", "status": "open", "dataset_quota_bytes": "1000"}
    sent |= membership_fields((student, "student"), (instructor, "instructor"))
    assert board.post(reverse("admin:accounts_cohort_add"), sent).status_code == 302
    cohort = Cohort.objects.get()
    assert cohort.dataset_quota_bytes == 1000
    assert set(cohort.memberships.values_list("user", "role")) == {
        (student.pk, "student"),
        (instructor.pk, "instructor"),
    }
    assert AuditEvent.objects.get(cohort=cohort).kind == "class_made"
    page = board.get(LIST).content.decode()
    assert "Class 2B" in page
    assert '<td class="field-people_count">2</td>' in page


def test_nobody_is_in_a_cohort_twice(board: Client, student: User) -> None:
    sent = {"name": "Class 2B", "status": "open", "dataset_quota_bytes": "1000"}
    sent |= membership_fields((student, "student"), (student, "observer"))
    assert board.post(reverse("admin:accounts_cohort_add"), sent).status_code == 200
    assert not Membership.objects.exists()


def test_a_role_is_given_with_a_note_and_a_place_stays_with_its_person(
    board: Client, student: User, other_student: User, instructor: User
) -> None:
    cohort = Cohort.objects.create(name="Class 2B")
    member = Membership.objects.create(cohort=cohort, user=student)
    sent = {"name": "Class 2B", "status": "open", "dataset_quota_bytes": "1000"}
    sent |= membership_fields((other_student, "assistant"))
    sent |= {
        "memberships-INITIAL_FORMS": "1",
        "memberships-0-id": str(member.pk),
        "memberships-0-cohort": str(cohort.pk),
        "memberships-0-DELETE": "on",
    }
    address = reverse("admin:accounts_cohort_change", args=[cohort.pk])
    assert board.post(address, sent).status_code == 302
    member.refresh_from_db()
    assert (member.user, member.role) == (student, "assistant")
    changed, role = AuditEvent.objects.order_by("kind")
    assert (changed.kind, changed.details) == (
        "cohort_changed",
        {"fields": ["dataset_quota_bytes"]},
    )
    assert (role.kind, role.actor, role.person) == ("role_changed", instructor, student)
    assert role.details == {"role": "assistant"}
    assert "memberships-0-DELETE" not in board.get(address).content.decode()


def test_people_are_found_by_name(board: Client, student: User) -> None:
    answer = board.get(
        reverse("admin:autocomplete"),
        {"app_label": "accounts", "model_name": "membership", "field_name": "user", "term": "aik"},
    ).json()
    assert [found["id"] for found in answer["results"]] == [str(student.pk)]


def test_students_do_not_manage_cohorts(student: User, client_of: Callable[[User], Client]) -> None:
    assert client_of(student).get(LIST).status_code == 302
