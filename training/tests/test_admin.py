"""Instructors look at jobs and cancel them; they change nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from training.models import TrainingJob
from training.tests.factories import make_completed_job, make_running_job, make_training_job

pytestmark = pytest.mark.django_db
LIST = reverse("admin:training_trainingjob_changelist")


@pytest.fixture
def board(instructor: User, client_of: Callable[[User], Client]) -> Client:
    return client_of(instructor)


def test_an_instructor_sees_everybodys_jobs(board: Client, student: User) -> None:
    job = make_training_job(student, name="Garden")
    assert "Garden" in board.get(LIST).content.decode()
    page = board.get(reverse("admin:training_trainingjob_change", args=[job.pk])).content.decode()
    assert 'name="_save"' not in page
    assert "lease_token" not in page


def test_a_student_does_not(client_of: Callable[[User], Client], student: User) -> None:
    assert client_of(student).get(LIST).status_code == 302


def test_an_instructor_cancels_what_still_runs(board: Client, student: User) -> None:
    waiting, over = make_training_job(student), make_completed_job(student)
    running, _lease = make_running_job(student)
    chosen = [job.pk for job in (waiting, running, over)]
    page = board.post(LIST, {"action": "cancel_jobs", "_selected_action": chosen}, follow=True)
    text = page.content.decode()
    assert "2 jobs are being cancelled." in text
    assert "1 job was over already." in text
    statuses = dict(TrainingJob.objects.values_list("pk", "status"))
    assert statuses == {waiting.pk: "cancelled", running.pk: "running", over.pk: "completed"}


@pytest.mark.parametrize("page", ["add", "delete"])
def test_jobs_are_neither_made_nor_deleted_there(board: Client, student: User, page: str) -> None:
    job = make_completed_job(student)
    arguments = [job.pk] if page == "delete" else []
    response = board.post(reverse(f"admin:training_trainingjob_{page}", args=arguments))
    assert response.status_code == 403
    assert TrainingJob.objects.count() == 1
