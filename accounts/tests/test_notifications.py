"""Notifications: told once a subject, shown by the bell and on their page, read by their reader alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import Notification, User
from accounts.notifications import KEPT_FOR, forget, mark_seen, notify, purge_seen, unseen_of

pytestmark = pytest.mark.django_db
PAGE, BELL = reverse("accounts:notifications"), reverse("accounts:notification_bell")
HTMX = {"HX-Request": "true", "HX-Target": "notification-bell"}
Sign = Callable[[User], Client]


@pytest.fixture
def signed_in(student: User, client_of: Sign) -> Client:
    return client_of(student)


def tell(user: User, *, kind: str = "job_completed", subject: str = "1", **params: Any) -> None:
    params = {"job_name": "Garden"} | params
    notify(user.pk, kind=kind, subject=subject, params=params, path=reverse("home"))


def poll(client: Client, mark: str) -> Any:
    return client.get(BELL, {"mark": mark}, headers=HTMX)


def toast_of(response: Any) -> str:
    return json.loads(response.headers.get("HX-Trigger", "{}")).get("toast", {}).get("value", "")


# --- telling --------------------------------------------------------------------------------------


def test_a_subject_told_again_is_one_row_and_new_again(student: User) -> None:
    tell(student, kind="job_failed", error_code="diverged")
    mark_seen(student, subject="1")
    before = Notification.objects.get()
    Notification.objects.update(mailed_at=before.created_at)
    tell(student, kind="job_failed", error_code="out_of_memory")
    told = Notification.objects.get()
    assert told.params["error_code"] == "out_of_memory"
    assert (told.seen_at, told.mailed_at) == (None, None)
    assert told.created_at > before.created_at


def test_a_later_end_of_the_same_job_replaces_an_earlier_one(student: User) -> None:
    tell(student, kind="job_failed")
    tell(student, kind="job_failed", subject="2")
    tell(student, kind="job_completed")
    assert unseen_of(student).count == 2
    assert Notification.objects.get(kind="job_failed", subject="1").seen_at is not None


def test_what_is_deleted_is_told_no_more(student: User) -> None:
    tell(student)
    tell(student, subject="2")
    forget(subject="1")
    assert Notification.objects.get().subject == "2"


def test_looking_at_something_else_writes_nothing(student: User) -> None:
    tell(student)
    with CaptureQueriesContext(connection) as queries:
        mark_seen(student, subject="2")
    assert [query["sql"].split()[0] for query in queries] == ["SELECT"]
    assert unseen_of(student).count == 1


# --- forgetting -----------------------------------------------------------------------------------


def test_what_was_seen_long_ago_is_deleted_and_nothing_else(student: User) -> None:
    now, moment = timezone.now(), timedelta(minutes=1)
    for subject, seen_at in (
        ("old", now - KEPT_FOR - moment),
        ("recent", now - KEPT_FOR + moment),
        ("unseen", None),
    ):
        tell(student, subject=subject)
        Notification.objects.filter(subject=subject).update(
            seen_at=seen_at, created_at=now - 2 * KEPT_FOR
        )
    assert purge_seen() == 1
    assert set(Notification.objects.values_list("subject", flat=True)) == {"recent", "unseen"}
    assert purge_seen() == 0


# --- the bell -------------------------------------------------------------------------------------


def test_every_page_of_a_person_has_the_bell_for_one_query(
    signed_in: Client, student: User
) -> None:
    tell(student)
    with CaptureQueriesContext(connection) as queries:
        page = signed_in.get(reverse("accounts:settings")).content.decode()
    assert "1 unread notification<" in page
    assert sum("accounts_notification" in query["sql"] for query in queries) == 1


def test_a_stranger_has_no_bell(client: Client) -> None:
    assert "notification-bell" not in client.get(reverse("home")).content.decode()
    assert poll(client, "").status_code == 204


def test_the_bell_answers_only_when_something_changed(
    signed_in: Client, student: User, other_student: User
) -> None:
    assert poll(signed_in, "").status_code == 204
    tell(other_student)
    assert poll(signed_in, "").status_code == 204
    tell(student)
    answer = poll(signed_in, "")
    assert toast_of(answer) == "“Garden” is complete"
    assert "1 unread notification<" in answer.content.decode()
    assert poll(signed_in, unseen_of(student).mark).status_code == 204


def test_only_what_is_new_since_is_told(signed_in: Client, student: User) -> None:
    tell(student, job_name="Old")
    known = unseen_of(student).mark
    tell(student, subject="2", job_name="Fresh")
    assert toast_of(poll(signed_in, known)) == "“Fresh” is complete"
    tell(student, subject="3")
    assert toast_of(poll(signed_in, known)) == "2 new notifications"


def test_reading_elsewhere_empties_the_bell_without_a_toast(
    signed_in: Client, student: User
) -> None:
    tell(student)
    known = unseen_of(student).mark
    mark_seen(student, subject="1")
    answer = poll(signed_in, known)
    assert "unread" not in answer.content.decode()
    assert toast_of(answer) == ""


@pytest.mark.parametrize("mark", ["x", "1@", "1@2026-01-01T00:00:00", "1@\x00", "@" * 5000])
def test_a_senseless_mark_is_no_error(signed_in: Client, student: User, mark: str) -> None:
    tell(student)
    assert poll(signed_in, mark).status_code == 200


# --- the page -------------------------------------------------------------------------------------


def test_the_page_lists_own_ones_as_text(
    signed_in: Client, student: User, other_student: User
) -> None:
    tell(student, kind="job_failed", job_name="<b>Garden</b>", error_code="out_of_memory")
    tell(student, kind="job_cancelled", subject="2")
    tell(other_student, subject="3", job_name="Theirs")
    page = signed_in.get(PAGE).content.decode()
    assert "“&lt;b&gt;Garden&lt;/b&gt;” failed" in page
    assert "The device ran out of memory. Open the job" in page
    assert "cancelled by an instructor" in page
    assert "Theirs" not in page


def test_the_page_costs_the_same_for_many(signed_in: Client, student: User) -> None:
    tell(student)
    with CaptureQueriesContext(connection) as one:
        signed_in.get(PAGE)
    for number in range(30):
        tell(student, subject=str(number))
    with CaptureQueriesContext(connection) as many:
        page = signed_in.get(PAGE).content.decode()
    assert len(one) == len(many)
    assert "Page 1 of 2" in page


def test_opening_one_marks_it_and_leads_to_its_page(
    signed_in: Client, student: User, other_student: User
) -> None:
    tell(student)
    tell(student, subject="2")
    tell(other_student)
    own = Notification.objects.get(user=student, subject="1")
    answer = signed_in.get(reverse("accounts:notification_open", args=[own.pk]))
    assert answer.url == own.path
    assert unseen_of(student).count == 1
    theirs = Notification.objects.get(user=other_student)
    assert signed_in.get(reverse("accounts:notification_open", args=[theirs.pk])).status_code == 404
    assert unseen_of(other_student).count == 1


def test_all_are_marked_at_once_for_their_reader_alone(
    signed_in: Client, student: User, other_student: User
) -> None:
    tell(student)
    tell(student, subject="2")
    tell(other_student)
    assert signed_in.get(reverse("accounts:notifications_seen")).status_code == 405
    assert signed_in.post(reverse("accounts:notifications_seen")).url == PAGE
    assert (unseen_of(student).count, unseen_of(other_student).count) == (0, 1)


@pytest.mark.parametrize("name", ["notifications", "notifications_seen"])
def test_who_is_signed_out_signs_in_first(client: Client, name: str) -> None:
    assert client.post(reverse(f"accounts:{name}")).url.startswith(reverse("account_login"))


# --- the switch in the settings -------------------------------------------------------------------


def test_the_switch_is_there_where_mail_can_be_sent(signed_in: Client, student: User) -> None:
    settings_page = reverse("accounts:settings")
    assert "mails_job_end" not in signed_in.get(settings_page).content.decode()
    signed_in.post(settings_page, {"theme": "dark"})
    student.refresh_from_db()
    assert student.mails_job_end
    with override_settings(MAIL_ENABLED=True):
        page = signed_in.get(settings_page).content.decode()
        assert f"To {student.email}" in page
        signed_in.post(settings_page, {"theme": "dark"})
    student.refresh_from_db()
    assert not student.mails_job_end


def test_the_switch_says_when_an_address_is_missing(signed_in: Client, student: User) -> None:
    User.objects.filter(pk=student.pk).update(email="")
    with override_settings(MAIL_ENABLED=True):
        page = signed_in.get(reverse("accounts:settings")).content.decode()
    assert "You have no email address here yet." in page
