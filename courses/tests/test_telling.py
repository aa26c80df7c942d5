"""What students are told of dates, opened steps and exemptions: once each, in their language."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from accounts.models import Membership, Notification, User
from accounts.notifications import unseen_of
from accounts.notifications_wording import notification_text, notification_title
from courses.models import CohortCourse, Enrolment
from courses.services.class_content import remove_course, set_dates
from courses.services.extending import extend_due, reset_due
from courses.services.grading import Decision, exempt
from courses.services.opening import close_step, open_step
from courses.tests.live_factories import be_at, join, make_class, make_member, pass_step

pytestmark = pytest.mark.django_db
Sign = Callable[[User], Client]
# 2099-12-01 18:00 in Tokyo.
DUE = datetime(2099, 12, 1, 9, 0, tzinfo=UTC)


@pytest.fixture
def pinned(tmp_path: Path, instructor: User) -> CohortCourse:
    pinned = make_class(tmp_path, instructor)
    pinned.cohort.time_zone = "Asia/Tokyo"
    pinned.cohort.save()
    return pinned


@pytest.fixture
def enrolment(pinned: CohortCourse) -> Enrolment:
    return make_member(pinned, "aya")


def told(user: User) -> list[str]:
    return [notification_title(item) for item in Notification.objects.filter(user=user)]


def extend(pinned: CohortCourse, by: User, user: User, due_at: datetime) -> None:
    extend_due(by, pinned.cohort, pinned.pk, [user.pk], due_at=due_at, reason="was ill")


def in_days(days: int) -> datetime:
    return timezone.now() + timedelta(days=days)


def test_a_date_of_the_class_is_told_to_those_for_whom_it_holds(
    pinned: CohortCourse, enrolment: Enrolment, instructor: User
) -> None:
    own, not_begun = make_member(pinned, "bo"), User.objects.create_user("cy")
    join(pinned.cohort, not_begun)
    extend(pinned, instructor, own.user, in_days(9))
    set_dates(instructor, pinned, release_at=None, due_at=DUE)
    for person in (enrolment.user, not_begun):
        (title,) = told(person)
        assert title == "“Sample” is due on 1 Dec 2099, 18:00"
    assert [item.kind for item in Notification.objects.filter(user=own.user)] == ["due_own"]
    assert told(instructor) == []


def test_other_dates_alone_are_no_news(
    pinned: CohortCourse, enrolment: Enrolment, instructor: User
) -> None:
    set_dates(instructor, pinned, release_at=None, due_at=DUE)
    Notification.objects.all().delete()
    set_dates(instructor, pinned, release_at=in_days(1), due_at=DUE)
    set_dates(instructor, pinned, release_at=in_days(1), due_at=DUE)
    assert not Notification.objects.exists()


def test_a_later_date_takes_the_place_of_an_earlier_one(
    pinned: CohortCourse, enrolment: Enrolment, instructor: User
) -> None:
    set_dates(instructor, pinned, release_at=None, due_at=DUE)
    set_dates(instructor, pinned, release_at=None, due_at=DUE + timedelta(days=1))
    extend(pinned, instructor, enrolment.user, in_days(9))
    assert unseen_of(enrolment.user).count == 1
    reset_due(instructor, pinned.cohort, pinned.pk, [enrolment.user_id])
    (unseen,) = Notification.objects.filter(user=enrolment.user, seen_at=None)
    assert notification_title(unseen).startswith("“Sample” is due on 2 Dec 2099")
    set_dates(instructor, pinned, release_at=None, due_at=None)
    (unseen,) = Notification.objects.filter(user=enrolment.user, seen_at=None)
    assert notification_title(unseen) == "“Sample” has no due date any more"
    remove_course(instructor, pinned)
    assert told(enrolment.user) == []


def test_the_same_extension_again_is_told_once(
    pinned: CohortCourse, enrolment: Enrolment, instructor: User
) -> None:
    later = in_days(9)
    extend(pinned, instructor, enrolment.user, later)
    Notification.objects.update(seen_at=timezone.now())
    extend(pinned, instructor, enrolment.user, later)
    assert unseen_of(enrolment.user).count == 0
    extend(pinned, instructor, enrolment.user, later + timedelta(days=1))
    assert unseen_of(enrolment.user).count == 1
    assert "ill" not in str(Notification.objects.get().params)


def test_it_is_in_the_language_of_whoever_reads_it(
    pinned: CohortCourse, enrolment: Enrolment, instructor: User
) -> None:
    with translation.override("ja"):
        set_dates(instructor, pinned, release_at=None, due_at=DUE)
    item = Notification.objects.get()
    assert "“Sample”" in notification_title(item)
    with translation.override("ja"):
        assert "見本" in notification_title(item)
        assert "2099年12月1日 18:00" in notification_title(item)


def test_an_opened_step_is_told_to_those_for_whom_it_was_locked(
    pinned: CohortCourse, enrolment: Enrolment, instructor: User
) -> None:
    done, there = make_member(pinned, "bo"), make_member(pinned, "cy")
    pass_step(done, "quiz")
    be_at(there, "quiz")
    for _time in range(2):
        open_step(instructor, pinned, "quiz")
    assert told(enrolment.user) == ["The step “The step quiz” is open"]
    assert Notification.objects.count() == 1
    close_step(instructor, pinned, "quiz")
    assert not Notification.objects.exists()


def test_what_is_told_leads_to_its_page_and_is_seen_there(
    pinned: CohortCourse, enrolment: Enrolment, instructor: User, client_of: Sign
) -> None:
    open_step(instructor, pinned, "quiz")
    set_dates(instructor, pinned, release_at=None, due_at=DUE)
    client = client_of(enrolment.user)
    for item in Notification.objects.all():
        assert notification_text(item)
        assert client.get(item.path).status_code == 200
        item.refresh_from_db()
        assert item.seen_at is not None, item.kind


def test_an_exemption_is_told(pinned: CohortCourse, enrolment: Enrolment, instructor: User) -> None:
    exempt(Decision(instructor, pinned.cohort, enrolment.pk, "hello", "was ill that day", None))
    assert told(enrolment.user) == ["You are exempt from the step “The step hello”"]


def test_who_is_not_a_student_of_the_class_is_told_nothing(
    pinned: CohortCourse, enrolment: Enrolment, instructor: User
) -> None:
    Membership.objects.filter(user=enrolment.user).update(role=Membership.Role.ASSISTANT)
    set_dates(instructor, pinned, release_at=None, due_at=DUE)
    open_step(instructor, pinned, "quiz")
    assert not Notification.objects.exists()


def test_telling_costs_the_same_for_a_larger_class(pinned: CohortCourse, instructor: User) -> None:
    counts = []
    for day, names in enumerate(("abc", "defghijkl")):
        for name in names:
            make_member(pinned, name * 3)
        pinned.refresh_from_db()
        with CaptureQueriesContext(connection) as queries:
            set_dates(instructor, pinned, release_at=None, due_at=DUE + timedelta(days=day))
            open_step(instructor, pinned, "quiz")
        counts.append(len(queries))
        close_step(instructor, pinned, "quiz")
    assert counts[0] == counts[1]
