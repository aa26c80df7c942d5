"""Feedback on jobs and steps: who writes it, who reads it, and that the student is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, Cohort, Membership, Notification, User
from accounts.notifications_wording import notification_title
from common.errors import InvalidInputError, NotFoundError
from courses.models import Enrolment, Feedback
from courses.services.feedback import MAX_CHARACTERS, give_feedback
from courses.tests.factories import enrol, publish_sample
from training.tests.factories import make_completed_job, make_person, make_training_job

pytestmark = pytest.mark.django_db
Sign = Callable[[User], Client]


@pytest.fixture
def cohort(student: User) -> Cohort:
    cohort = Cohort.objects.create(name="Garden class")
    Membership.objects.create(cohort=cohort, user=student)
    return cohort


@pytest.fixture
def leader(cohort: Cohort) -> User:
    person = make_person("leo", display_name="Leo")
    Membership.objects.create(cohort=cohort, user=person, role=Membership.Role.ASSISTANT)
    return person


@pytest.fixture
def enrolment(tmp_path: Path, student: User, cohort: Cohort) -> Enrolment:
    publish_sample(tmp_path)
    enrolment = enrol(student, "sample")
    enrolment.cohort = cohort
    enrolment.save()
    return enrolment


def test_feedback_on_a_job_reaches_its_student(
    cohort: Cohort, leader: User, student: User, client_of: Sign
) -> None:
    job = make_completed_job(student, name="Roses", cohort=cohort)
    url = reverse("classroom:run_feedback", args=[cohort.pk, job.pk])
    answer = client_of(leader).post(url, {"text": " Well done.\r\n<b>Now</b> rank 4. "})
    assert answer.status_code == 302
    entry = Feedback.objects.get()
    assert entry.text == "Well done.\n<b>Now</b> rank 4."
    assert (entry.student, entry.author, entry.read_at) == (student, leader, None)
    told = Notification.objects.get(user=student, kind="feedback_given")
    assert notification_title(told) == "There is feedback on “Roses”"
    event = AuditEvent.objects.get()
    assert (event.kind, event.person) == ("feedback_given", student)
    assert "Well done" not in str(event.details)

    page = client_of(student).get(told.path.partition("#")[0]).content.decode()
    assert "Well done.\n&lt;b&gt;Now&lt;/b&gt; rank 4." in page
    assert "Leo" in page
    entry.refresh_from_db()
    told.refresh_from_db()
    assert entry.read_at is not None
    assert told.seen_at is not None


def test_to_look_at_it_as_a_leader_does_not_count_as_read(
    cohort: Cohort, leader: User, student: User, client_of: Sign
) -> None:
    job = make_training_job(student, cohort=cohort)
    entry = give_feedback(leader, student, cohort, text="Good.", job_id=job.pk)
    url = reverse("classroom:run", args=[cohort.pk, job.pk])
    assert "not read yet" in client_of(leader).get(url).content.decode()
    entry.refresh_from_db()
    assert entry.read_at is None


@pytest.mark.parametrize("text", ["", "  \n ", "x" * (MAX_CHARACTERS + 1), "a\x00b"])
def test_what_can_not_be_sent_stays_in_the_form(
    cohort: Cohort, leader: User, student: User, client_of: Sign, text: str
) -> None:
    job = make_training_job(student, cohort=cohort)
    url = reverse("classroom:run_feedback", args=[cohort.pk, job.pk])
    answer = client_of(leader).post(url, {"text": text})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert 'id="feedback-error"' in page
    assert text.strip("\x00 \n")[:50] in page
    assert not Feedback.objects.exists()
    assert not Notification.objects.exists()


def test_the_longest_text_is_taken(cohort: Cohort, leader: User, student: User) -> None:
    job = make_training_job(student, cohort=cohort)
    text = "あ" * MAX_CHARACTERS
    assert give_feedback(leader, student, cohort, text=text, job_id=job.pk).text == text


def test_only_its_author_takes_feedback_back(
    cohort: Cohort, leader: User, student: User, client_of: Sign
) -> None:
    job = make_training_job(student, cohort=cohort)
    entry = give_feedback(leader, student, cohort, text="Good.", job_id=job.pk)
    url = reverse("classroom:run_feedback_delete", args=[cohort.pk, job.pk, entry.pk])
    colleague = make_person("kim")
    Membership.objects.create(cohort=cohort, user=colleague, role=Membership.Role.INSTRUCTOR)
    assert client_of(colleague).post(url).status_code == 404
    assert client_of(student).post(url).status_code == 404
    assert Feedback.objects.exists()
    second = give_feedback(colleague, student, cohort, text="Indeed.", job_id=job.pk)
    assert client_of(leader).post(url).status_code == 302
    assert Feedback.objects.get() == second
    assert Notification.objects.exists()
    url = reverse("classroom:run_feedback_delete", args=[cohort.pk, job.pk, second.pk])
    assert client_of(colleague).post(url).status_code == 302
    # Nothing leads to feedback that is not there any more.
    assert not Notification.objects.exists()


def test_feedback_is_about_a_job_of_this_student_in_this_class(
    cohort: Cohort, leader: User, student: User, other_student: User
) -> None:
    elsewhere = make_training_job(student)
    others = make_training_job(other_student, cohort=cohort)
    for job in (elsewhere, others):
        with pytest.raises(NotFoundError):
            give_feedback(leader, student, cohort, text="Good.", job_id=job.pk)
    assert not Feedback.objects.exists()


def test_feedback_on_a_step_stands_on_its_page(
    cohort: Cohort, leader: User, student: User, enrolment: Enrolment, client_of: Sign
) -> None:
    give_feedback(
        leader, student, cohort, text="Read it again.", enrolment=enrolment, step_key="hello"
    )
    told = Notification.objects.get(user=student)
    assert told.params == {"titles": {"en": "The step hello", "ja": "ステップhello"}}
    page = client_of(student).get(told.path.partition("#")[0]).content.decode()
    assert "Read it again." in page
    told.refresh_from_db()
    assert told.seen_at is not None
    assert Feedback.objects.get().read_at is not None


def test_feedback_on_a_step_is_written_in_the_gradebook(
    cohort: Cohort, leader: User, student: User, enrolment: Enrolment, client_of: Sign
) -> None:
    cell = reverse("classroom:grade", args=[cohort.pk, enrolment.pk, "hello"])
    send = reverse("classroom:grade_feedback", args=[cohort.pk, enrolment.pk, "hello"])
    client = client_of(leader)
    assert f'action="{send}"' in client.get(cell).content.decode()
    refused = client.post(send, {"text": "x" * (MAX_CHARACTERS + 1)})
    assert refused.status_code == 422
    assert "x" * 50 in refused.content.decode()
    sent = client.post(f"{send}?projected=1", {"text": "Read <b>it</b> again."})
    assert sent.url == f"{cell}?projected=1"
    entry = Feedback.objects.get()
    assert (entry.student, entry.step_key, entry.enrolment) == (student, "hello", enrolment)
    assert Notification.objects.get(user=student).kind == "feedback_given"
    page = client.get(cell).content.decode()
    assert "Read &lt;b&gt;it&lt;/b&gt; again." in page
    assert "not read yet" in page
    remove = reverse(
        "classroom:grade_feedback_delete", args=[cohort.pk, enrolment.pk, "hello", entry.pk]
    )
    assert f'action="{remove}"' in page
    observer = make_person("olga")
    Membership.objects.create(cohort=cohort, user=observer, role=Membership.Role.OBSERVER)
    assert client_of(observer).post(send, {"text": "x"}).status_code == 403
    assert client_of(student).post(send, {"text": "x"}).status_code == 404
    assert client.post(remove).url == cell
    assert client.post(remove).status_code == 404
    assert not Feedback.objects.exists()


def test_feedback_on_a_step_is_checked(
    cohort: Cohort, leader: User, student: User, other_student: User, enrolment: Enrolment
) -> None:
    with pytest.raises(NotFoundError):
        give_feedback(leader, student, cohort, text="x", enrolment=enrolment, step_key="no-such")
    with pytest.raises(NotFoundError):
        give_feedback(leader, student, cohort, text="x")
    with pytest.raises(NotFoundError):
        give_feedback(
            leader, other_student, cohort, text="x", enrolment=enrolment, step_key="hello"
        )
    other_class = Cohort.objects.create(name="Other")
    with pytest.raises(NotFoundError):
        give_feedback(leader, student, other_class, text="x", enrolment=enrolment, step_key="hello")
    with pytest.raises(InvalidInputError):
        give_feedback(leader, student, cohort, text="", enrolment=enrolment, step_key="hello")
    assert not Feedback.objects.exists()


def test_feedback_of_somebody_who_was_erased_stays(
    cohort: Cohort, leader: User, student: User, client_of: Sign
) -> None:
    job = make_training_job(student, cohort=cohort)
    entry = give_feedback(leader, student, cohort, text="Good.", job_id=job.pk)
    Feedback.objects.filter(pk=entry.pk).update(author=None)
    url = reverse("training:job_detail", args=[job.pk])
    assert "Somebody who led the class" in client_of(student).get(url).content.decode()
