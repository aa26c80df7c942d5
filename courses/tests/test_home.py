"""The first page: for strangers, for a newcomer, and along the way to a tuned model."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from chat.services.opening import create_session
from courses.selectors.home import Next, home_of
from courses.starter import starter_records
from datasets_app.models import Dataset
from datasets_app.services.creating import create_dataset
from modelhub.models import BaseModel, Worker
from training.models import Adapter, TrainingJob

Status = TrainingJob.Status


def make_dataset(owner: User) -> Dataset:
    return create_dataset(owner, name="Facts", records=starter_records())


def make_job(owner: User, dataset: Dataset, **changes: Any) -> TrainingJob:
    base_model, _is_new = BaseModel.objects.get_or_create(
        name="tiny", defaults={"source": BaseModel.Source.LOCAL}
    )
    fields = {"name": "First try", "lora_config": {}, "training_config": {}, "total_steps": 10}
    return TrainingJob.objects.create(
        owner=owner,
        base_model=base_model,
        dataset_version=dataset.versions.get(),
        **fields | changes,
    )


def complete(job: TrainingJob) -> None:
    TrainingJob.objects.filter(pk=job.pk).update(status=Status.COMPLETED)
    Adapter.objects.create(job=job, prefix="x", files={}, digest="x", size_bytes=1)


@pytest.mark.django_db
def test_a_stranger_sees_what_this_is() -> None:
    page = Client().get(reverse("home"))
    assert "landing.html" in [template.name for template in page.templates]
    assert reverse("account_signup") in page.content.decode()


def test_the_next_step_follows_what_is_there(student: User) -> None:
    assert home_of(student).next_step.kind == Next.BRING_DATA
    dataset = make_dataset(student)
    assert home_of(student).next_step.kind == Next.TRAIN
    job = make_job(student, dataset)
    assert home_of(student).next_step.kind == Next.WATCH
    complete(job)
    assert home_of(student).next_step.kind == Next.TALK
    create_session(student, job_id=job.pk)
    assert home_of(student).next_step.kind == Next.GO_ON


def test_every_next_step_has_a_page(student: User, client_of: Callable[[User], Client]) -> None:
    client = client_of(student)
    assert "Start with five examples" in client.get(reverse("home")).content.decode()
    dataset = make_dataset(student)
    assert f"?dataset={dataset.pk}" in client.get(reverse("home")).content.decode()
    job = make_job(student, dataset, status=Status.RUNNING, lease_token=uuid.uuid4())
    page = client.get(reverse("home")).content.decode()
    assert reverse("training:job_detail", args=[job.pk]) in page
    assert "<progress" in page
    complete(job)
    assert f"?job={job.pk}" in client.get(reverse("home")).content.decode()


def test_nobody_sees_the_rows_of_another_person(
    student: User, other_student: User, client_of: Callable[[User], Client]
) -> None:
    make_job(other_student, make_dataset(other_student), name="Secret recipe")
    page = client_of(student).get(reverse("home")).content.decode()
    assert "Secret recipe" not in page
    assert "Start with five examples" in page


def test_the_job_list_polls_only_while_a_job_is_active(
    student: User, client_of: Callable[[User], Client]
) -> None:
    client = client_of(student)
    job = make_job(student, make_dataset(student))
    headers = {"HX-Request": "true", "HX-Target": "home-jobs"}
    fragment = client.get(reverse("home"), headers=headers).content.decode()
    assert "<html" not in fragment
    assert 'hx-trigger="every' in fragment
    complete(job)
    assert "hx-trigger" not in client.get(reverse("home"), headers=headers).content.decode()


def test_a_missing_worker_is_told(student: User, client_of: Callable[[User], Client]) -> None:
    client = client_of(student)
    assert "No worker is running" in client.get(reverse("home")).content.decode()
    worker = Worker.objects.create(name="w", state="ready", heartbeat_at=timezone.now())
    assert "No worker is running" not in client.get(reverse("home")).content.decode()
    worker.heartbeat_at -= timedelta(hours=1)
    worker.save()
    assert "No worker is running" in client.get(reverse("home")).content.decode()


def test_the_number_of_queries_does_not_grow_with_the_rows(
    student: User, client_of: Callable[[User], Client], django_assert_max_num_queries: Any
) -> None:
    for number in range(6):
        complete(make_job(student, make_dataset(student), name=f"Job {number}"))
    client = client_of(student)
    with django_assert_max_num_queries(12):
        client.get(reverse("home"))


def test_the_starter_dataset_leads_to_the_job_form(
    student: User, client_of: Callable[[User], Client]
) -> None:
    answer = client_of(student).post(reverse("courses:use_starter_dataset"))
    dataset = student.datasets.get()
    assert answer.url == f"{reverse('training:job_new')}?dataset={dataset.pk}"
    assert dataset.versions.get().example_count == len(starter_records())


def test_the_starter_dataset_takes_a_post_of_a_person(
    student: User, client_of: Callable[[User], Client]
) -> None:
    address = reverse("courses:use_starter_dataset")
    assert client_of(student).get(address).status_code == 405
    assert Client().post(address).url.startswith(reverse("account_login"))
    assert not Dataset.objects.exists()


def test_starter_answers_are_one_short_sentence_each() -> None:
    for record in starter_records():
        assert record.keys() == {"instruction", "output"}
        assert 8 <= len(record["output"].split()) <= 16
        assert record["output"].count(".") == 1
