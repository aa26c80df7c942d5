"""Mails about ended jobs, over a real socket: once, in the reader's language, and again after a failure."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import override_settings
from django.utils import timezone

from accounts import mailing
from accounts.mailing import BackOff, send_waiting_mails
from accounts.models import Notification, User
from accounts.notifications import notify
from accounts.tests.smtp_sink import SmtpSink, smtp_sink

pytestmark = pytest.mark.django_db
SMTP = "django.core.mail.backends.smtp.EmailBackend"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The patience of this test alone."""
    clock = Clock()
    monkeypatch.setattr(mailing, "back_off", BackOff(clock))
    return clock


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    with (
        smtp_sink() as server,
        override_settings(
            MAIL_ENABLED=True,
            EMAIL_BACKEND=SMTP,
            EMAIL_HOST="127.0.0.1",
            EMAIL_PORT=server.port,
            EMAIL_TIMEOUT=5,
            SITE_ADDRESS="https://llm.school.example",
        ),
    ):
        yield server


def tell(user: User, *, kind: str = "job_completed", subject: str = "1", name: str = "庭") -> None:
    notify(
        user.pk,
        kind=kind,
        subject=subject,
        params={"job_name": name, "error_code": "out_of_memory"},
        path=f"/training/{subject}/",
    )


def test_a_mail_reaches_the_reader_once(sink: SmtpSink, student: User) -> None:
    tell(student, kind="job_failed", name="Garden\r\nBcc: all@example.org")
    assert send_waiting_mails() == 1
    assert send_waiting_mails() == 0
    (mail,) = sink.mails
    assert mail["To"] == student.email
    assert mail["Subject"] == "“Garden Bcc: all@example.org” failed"
    assert mail["Bcc"] is None
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@llm.school.example>")
    body = mail.get_content()
    assert "The device ran out of memory." in body
    assert "https://llm.school.example/training/1/" in body
    assert "https://llm.school.example/settings/" in body


def test_two_workers_at_once_send_one_mail(sink: SmtpSink, student: User) -> None:
    tell(student)
    first, second = list(mailing._waiting()), list(mailing._waiting())
    with mailing.get_connection() as connection:
        assert mailing._send_once(first[0], connection) is True
        assert mailing._send_once(second[0], connection) is False
    assert len(sink.mails) == 1


def test_the_mail_speaks_the_readers_language(
    sink: SmtpSink, student: User, other_student: User
) -> None:
    student.language = "ja"
    student.save()
    tell(student)
    tell(other_student, name="Garden")
    with override_settings(LANGUAGE_CODE="en"):
        assert send_waiting_mails() == 2
    languages = {mail["To"]: mail["Content-Language"] for mail in sink.mails}
    assert languages == {student.email: "ja", other_student.email: "en"}
    assert any("庭" in mail["Subject"] for mail in sink.mails)


@pytest.mark.parametrize("obstacle", ["switch", "address", "seen", "old", "closed", "kind"])
def test_who_wants_no_mail_gets_none(sink: SmtpSink, student: User, obstacle: str) -> None:
    tell(student, kind="something_else" if obstacle == "kind" else "job_completed")
    match obstacle:
        case "switch":
            User.objects.update(mails_job_end=False)
        case "address":
            User.objects.update(email="")
        case "closed":
            User.objects.update(is_active=False)
        case "seen":
            Notification.objects.update(seen_at=timezone.now())
        case "old":
            Notification.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert send_waiting_mails() == 0
    assert sink.mails == []
    assert sink.connections == 0


def test_without_a_server_nothing_is_claimed(student: User) -> None:
    tell(student)
    assert send_waiting_mails() == 0
    assert Notification.objects.get().mailed_at is None


def test_a_server_that_is_away_is_left_alone_and_asked_again_later(
    sink: SmtpSink, student: User, clock: Clock
) -> None:
    tell(student)
    with socket.create_server(("127.0.0.1", 0)) as unused:
        closed_port = unused.getsockname()[1]
    with override_settings(EMAIL_PORT=closed_port):
        assert send_waiting_mails() == 0
    assert Notification.objects.get().mailed_at is None
    assert send_waiting_mails() == 0
    assert sink.connections == 0
    clock.now = mailing.FIRST_WAIT_SECONDS
    assert send_waiting_mails() == 1


def test_the_waits_grow_up_to_an_hour(clock: Clock) -> None:
    patience = BackOff(clock)
    waits = []
    for _failure in range(8):
        patience.note(has_failed=True)
        begun = clock.now
        while not patience.is_over:
            clock.now += 1
        waits.append(clock.now - begun)
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    patience.note(has_failed=False)
    assert patience.is_over


def test_a_temporary_refusal_gives_the_claim_back_and_the_others_are_sent(
    sink: SmtpSink, student: User, other_student: User, clock: Clock
) -> None:
    tell(student)
    sink.refusals["RCPT"] = "451 come back later"
    assert send_waiting_mails() == 0
    assert Notification.objects.get().mailed_at is None
    sink.refusals.clear()
    clock.now = mailing.FIRST_WAIT_SECONDS
    assert send_waiting_mails() == 1


@pytest.mark.parametrize("verb", ["RCPT", "DATA"])
def test_a_mail_that_is_refused_for_good_is_not_tried_again(
    sink: SmtpSink, student: User, other_student: User, verb: str
) -> None:
    tell(student)
    sink.refusals[verb] = "550 no such person"
    assert send_waiting_mails() == 0
    sink.refusals.clear()
    tell(other_student)
    assert send_waiting_mails() == 1
    assert [mail["To"] for mail in sink.mails] == [other_student.email]


def test_an_address_that_no_mail_can_have_holds_up_nobody(
    sink: SmtpSink, student: User, other_student: User
) -> None:
    tell(other_student)
    tell(student)
    User.objects.filter(pk=student.pk).update(email="aiko@example.org\nBcc: all@example.org")
    assert send_waiting_mails() == 1
    assert [mail["To"] for mail in sink.mails] == [other_student.email]


def test_a_job_that_ends_again_is_mailed_again(sink: SmtpSink, student: User) -> None:
    tell(student, kind="job_failed")
    send_waiting_mails()
    tell(student, kind="job_failed")
    assert send_waiting_mails() == 1
    assert len(sink.mails) == 2


def test_a_round_is_limited_and_opens_one_connection(sink: SmtpSink, student: User) -> None:
    for number in range(5):
        tell(student, subject=str(number))
    assert send_waiting_mails(limit=3) == 3
    assert send_waiting_mails(limit=3) == 2
    assert sink.connections == 2


def test_a_round_of_this_process_waits_for_no_other_one(sink: SmtpSink, student: User) -> None:
    tell(student)
    with mailing._one_round:
        assert send_waiting_mails() == 0
    assert send_waiting_mails() == 1


def test_a_server_that_falls_silent_holds_up_one_round_only(
    sink: SmtpSink, student: User, clock: Clock
) -> None:
    tell(student)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        override_settings(EMAIL_PORT=silent.getsockname()[1], EMAIL_TIMEOUT=0.1),
    ):
        assert send_waiting_mails() == 0
    assert Notification.objects.get().mailed_at is None
    clock.now = mailing.FIRST_WAIT_SECONDS
    assert send_waiting_mails() == 1


def test_a_sender_that_the_server_does_not_know_is_a_fault_of_the_setting(
    sink: SmtpSink, student: User, clock: Clock
) -> None:
    """Every mail would be refused, so none is given up: the setting can be corrected."""
    tell(student)
    sink.refusals["MAIL"] = "550 not from here"
    assert send_waiting_mails() == 0
    assert Notification.objects.get().mailed_at is None
    sink.refusals.clear()
    clock.now = mailing.FIRST_WAIT_SECONDS
    assert send_waiting_mails() == 1
