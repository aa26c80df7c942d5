"""The pages of the courses."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from courses.models import Course, Enrolment, QuizAnswer, StepProgress
from courses.selectors.content import content_of
from courses.services.publishing import publish_courses
from courses.tests.factories import enrol, publish_sample
from courses.tests.writing import HELLO, QUIZ, write_course
from training.tests.factories import make_completed_job

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(student: User, client_of: Callable[[User], Client]) -> Client:
    return client_of(student)


def step_url(key: str, name: str = "step_detail", slug: str = "sample") -> str:
    return reverse(f"courses:{name}", args=[slug, key])


def test_a_course_is_begun_and_gone_on_with(tmp_path: Path, client: Client) -> None:
    publish_sample(tmp_path)
    page = client.get(reverse("courses:course_list"))
    assert "Sample" in page.content.decode()
    begun = client.post(reverse("courses:course_begin", args=["sample"]))
    assert begun.url == reverse("courses:course_resume", args=["sample"])
    assert client.get(begun.url).url == step_url("hello")
    shown = client.get(step_url("hello")).content.decode()
    assert "The step hello" in shown
    assert "Some text." in shown


def test_every_form_of_a_course_carries_its_token(tmp_path: Path, student: User) -> None:
    publish_sample(tmp_path, {"quiz": QUIZ})
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(student)
    for address in (
        reverse("courses:course_list"),
        reverse("courses:course_detail", args=["sample"]),
    ):
        token = _token_of(browser, address, "/begin/")
        begun = browser.post(
            reverse("courses:course_begin", args=["sample"]), {"csrfmiddlewaretoken": token}
        )
        assert begun.status_code == 302
        Enrolment.objects.all().delete()
    enrol(student, "sample")
    for end in ("/quiz/", "/check/"):
        token = _token_of(browser, step_url("quiz"), end)
        answer = browser.post(
            step_url("quiz", f"step_{end.strip('/')}"), {"csrfmiddlewaretoken": token}
        )
        assert answer.status_code in (302, 422)


def _token_of(browser: Client, address: str, end: str) -> str:
    """The token in the form of a page whose address ends so."""
    page = browser.get(address).content.decode()
    found = re.search(
        rf'action="[^"]*{end}"[^>]*>\s*<input type="hidden" name="csrfmiddlewaretoken" value="([^"]+)"',
        page,
    )
    assert found is not None, address
    return found[1]


def test_a_draft_is_there_for_instructors_only(
    tmp_path: Path, client: Client, instructor: User, client_of: Callable[[User], Client]
) -> None:
    write_course(tmp_path / "sample", {"draft": True})
    publish_courses(tmp_path)
    address = reverse("courses:course_list")
    assert "Sample" not in client.get(address).content.decode()
    assert client.get(reverse("courses:course_detail", args=["sample"])).status_code == 404
    assert client.post(reverse("courses:course_begin", args=["sample"])).status_code == 404
    assert "Sample" in client_of(instructor).get(address).content.decode()


def test_a_locked_step_leads_back_to_the_course(
    tmp_path: Path, client: Client, student: User
) -> None:
    publish_sample(tmp_path)
    enrol(student, "sample")
    answer = client.get(step_url("quiz"), follow=True)
    assert answer.redirect_chain[0][0] == reverse("courses:course_detail", args=["sample"])
    assert "This step is locked." in answer.content.decode()
    for name in ("step_beat", "step_check", "step_quiz"):
        assert client.post(step_url("quiz", name)).status_code == 404
    assert not StepProgress.objects.filter(step_key="quiz").exists()


def test_who_is_not_enrolled_finds_no_steps(
    tmp_path: Path, client: Client, other_student: User
) -> None:
    publish_sample(tmp_path)
    enrol(other_student, "sample")
    assert client.get(step_url("hello")).status_code == 404
    assert client.post(step_url("hello", "step_beat")).status_code == 404
    assert client.get(reverse("courses:course_detail", args=["nothing"])).status_code == 404


def test_right_options_are_not_given_away(tmp_path: Path, client: Client, student: User) -> None:
    publish_sample(tmp_path, {"quiz": QUIZ})
    enrol(student, "sample")
    before = client.get(step_url("quiz")).content.decode()
    assert "Yes." not in before
    assert "No." not in before
    client.post(step_url("quiz", "step_quiz"), {"q-first": "b"})
    after = client.get(step_url("quiz")).content.decode()
    assert "No." in after
    assert "Yes." not in after
    client.post(step_url("quiz", "step_quiz"), {"q-first": "a"})
    assert Enrolment.objects.filter(completed_at__isnull=False).exists()


def test_an_unanswered_question_is_told_at_its_place(
    tmp_path: Path, client: Client, student: User
) -> None:
    publish_sample(tmp_path, {"quiz": QUIZ})
    enrol(student, "sample")
    answer = client.post(step_url("quiz", "step_quiz"), {})
    assert answer.status_code == 422
    assert 'id="fault-first"' in answer.content.decode()
    assert not QuizAnswer.objects.exists()


def test_what_the_browser_says_of_itself_is_no_evidence(
    tmp_path: Path, client: Client, student: User
) -> None:
    publish_sample(tmp_path)
    enrol(student, "sample")
    forged = {"seconds": "9999", "active_seconds": "9999", "state": "passed", "outcome": "pass"}
    for name in ("step_beat", "step_check"):
        client.post(step_url("hello", name), forged)
    client.post(step_url("hello", "step_check") + "?passed=1", forged)
    assert StepProgress.objects.get().state == "working"


def test_the_button_leads_to_the_filled_in_page_and_back(
    tmp_path: Path, client: Client, student: User
) -> None:
    action = {"to": "chat.new", "label": {"en": "Talk", "ja": "話す"}}
    publish_sample(tmp_path, {"talk": HELLO | {"action": action}})
    enrol(student, "sample")
    job = make_completed_job(student)
    went = client.get(step_url("talk", "step_go"))
    assert went.url == f"{reverse('chat:session_new')}?job={job.pk}"
    there = client.get(went.url).content.decode()
    assert step_url("talk") in there
    assert "Back to the lesson" in there


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_step_of_the_courses_is_shown(client: Client, student: User, language: str) -> None:
    publish_courses()
    student.language = language
    student.is_staff = True
    student.save()
    for course in Course.objects.all():
        enrolment = enrol(student, course.slug)
        Enrolment.objects.filter(pk=enrolment.pk).update(cohort=None)
        for step in content_of(enrolment.version_id).steps:
            page = client.get(
                step_url(step.key, slug=course.slug), headers={"Accept-Language": language}
            )
            assert page.status_code == 200, step.key
            assert step.text(language).title in page.content.decode()
            StepProgress.objects.filter(enrolment=enrolment, step_key=step.key).update(
                state="exempt"
            )
