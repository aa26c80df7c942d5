"""Adapters shared with a class: who may choose it, who gets it, and when that ends."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Cohort, Membership, User
from common.errors import ConflictError, NotFoundError
from training.models import JobShare, TrainingJob
from training.sharing.changing import set_share
from training.sharing.selectors import arena_shares, shared_jobs, usable_jobs
from training.tests.factories import make_completed_job, make_person, make_running_job

pytestmark = pytest.mark.django_db
Sign = Callable[[User], Client]
HTMX = {"HX-Request": "true"}


def join(cohort: Cohort, *people: User, role: str = "student") -> Cohort:
    for person in people:
        Membership.objects.create(cohort=cohort, user=person, role=role)
    return cohort


@pytest.fixture
def cohort(student: User, other_student: User) -> Cohort:
    return join(Cohort.objects.create(name="Garden class"), student, other_student)


@pytest.fixture
def job(student: User) -> TrainingJob:
    return make_completed_job(student, name="Rose answers")


def share(job: TrainingJob, cohort: Cohort, *, talk: bool = True, arena: bool = False) -> None:
    set_share(job.owner, job, cohort.pk, is_talkable=talk, is_in_arena=arena)


# --- who may choose it ------------------------------------------------------------------------------


def test_the_owner_shares_and_takes_it_back(job: TrainingJob, cohort: Cohort) -> None:
    share(job, cohort, talk=True, arena=True)
    share(job, cohort, talk=False, arena=True)
    found = JobShare.objects.get()
    assert (found.job, found.cohort) == (job, cohort)
    assert (found.is_talkable, found.is_in_arena) == (False, True)
    share(job, cohort, talk=False, arena=False)
    assert not JobShare.objects.exists()


def test_to_take_back_what_is_not_shared_changes_nothing(job: TrainingJob, cohort: Cohort) -> None:
    share(job, cohort, talk=False, arena=False)
    assert not JobShare.objects.exists()


def test_nobody_else_shares_a_job(job: TrainingJob, cohort: Cohort, other_student: User) -> None:
    with pytest.raises(NotFoundError):
        set_share(other_student, job, cohort.pk, is_talkable=True, is_in_arena=False)
    assert not JobShare.objects.exists()


def test_a_job_is_shared_with_own_classes_only(job: TrainingJob) -> None:
    foreign = join(Cohort.objects.create(name="Others"), make_person("dana"))
    for cohort_id in (foreign.pk, uuid.uuid4()):
        with pytest.raises(NotFoundError):
            set_share(job.owner, job, cohort_id, is_talkable=True, is_in_arena=True)


def test_a_job_without_an_adapter_is_not_shared(student: User, cohort: Cohort) -> None:
    job, _lease = make_running_job(student)
    with pytest.raises(ConflictError, match="completed"):
        share(job, cohort)


# --- who gets it ------------------------------------------------------------------------------------


def test_classmates_get_what_is_talkable(
    job: TrainingJob, cohort: Cohort, other_student: User, student: User
) -> None:
    own = make_completed_job(other_student, name="Own")
    assert list(usable_jobs(other_student)) == [own]
    share(job, cohort, talk=False, arena=True)
    assert list(usable_jobs(other_student)) == [own]
    share(job, cohort, talk=True, arena=True)
    assert set(usable_jobs(other_student)) == {own, job}
    assert list(usable_jobs(student)) == [job]


def test_strangers_and_other_classes_get_nothing(job: TrainingJob, cohort: Cohort) -> None:
    share(job, cohort)
    stranger = make_person("dana")
    join(Cohort.objects.create(name="Others"), stranger, job.owner)
    assert not usable_jobs(stranger).exists()
    assert shared_jobs(stranger) == []


@pytest.mark.parametrize("leaver", ["owner", "reader"])
def test_leaving_the_class_ends_it(
    job: TrainingJob, cohort: Cohort, other_student: User, leaver: str
) -> None:
    share(job, cohort, arena=True)
    person = job.owner if leaver == "owner" else other_student
    Membership.objects.filter(user=person).delete()
    assert not usable_jobs(other_student).exists()
    assert arena_shares(cohort.pk).exists() is (leaver == "reader")


def test_a_deleted_job_is_shared_no_more(
    job: TrainingJob, cohort: Cohort, other_student: User
) -> None:
    share(job, cohort, arena=True)
    job.delete()
    assert not usable_jobs(other_student).exists()
    assert not arena_shares(cohort.pk).exists()


def test_a_picker_gets_names_once_for_each_job_in_one_query(
    job: TrainingJob, cohort: Cohort, student: User, other_student: User
) -> None:
    User.objects.filter(pk=student.pk).update(display_name="Aiko from the greenhouse")
    second = join(Cohort.objects.create(name="Rose club"), student, other_student)
    share(job, cohort)
    share(job, second)
    share(make_completed_job(student, name="Tulips"), cohort)
    share(make_completed_job(other_student, name="Own"), cohort)
    with CaptureQueriesContext(connection) as queries:
        found = shared_jobs(other_student)
        shown = [(item.job.name, item.job.base_model.name, item.owner_name) for item in found]
    assert len(queries) == 1
    assert [name for name, _base, _owner in shown] == ["Tulips", "Rose answers"]
    assert {owner for _name, _base, owner in shown} == {"Aiko from the greenhouse"}
    assert found[1].cohort_names == ("Garden class", "Rose club")


# --- pages ------------------------------------------------------------------------------------------


def test_the_page_of_a_completed_job_has_both_choices(
    client_of: Sign, job: TrainingJob, cohort: Cohort
) -> None:
    share(job, cohort, talk=False, arena=True)
    page = client_of(job.owner).get(reverse("training:job_detail", args=[job.pk]))
    html = page.content.decode()
    assert "Garden class" in html
    assert f'id="share-arena-{cohort.pk}" name="is_in_arena" value="1" checked' in html
    assert f'id="share-talk-{cohort.pk}" name="is_talkable" value="1">' in html
    assert "without anything private" in html


def test_without_a_class_there_is_nothing_to_choose(client_of: Sign, job: TrainingJob) -> None:
    client = client_of(job.owner)
    page = client.get(reverse("training:job_detail", args=[job.pk]))
    assert "job-sharing" not in page.content.decode()
    alone = client.get(reverse("training:job_sharing", args=[job.pk]))
    assert "Nothing to share yet" in alone.content.decode()


def test_a_running_job_says_when_it_can_be_shared(
    client_of: Sign, student: User, cohort: Cohort
) -> None:
    job, _lease = make_running_job(student, step_count=2)
    html = client_of(student).get(reverse("training:job_detail", args=[job.pk])).content.decode()
    assert "Once the job is completed" in html
    assert "is_talkable" not in html


def test_a_form_saves_one_class_and_answers_with_itself(
    client_of: Sign, job: TrainingJob, cohort: Cohort
) -> None:
    address = reverse("training:job_share", args=[job.pk, cohort.pk])
    answer = client_of(job.owner).post(address, {"is_talkable": "1"}, headers=HTMX)
    assert answer.status_code == 200
    assert "Saved." in answer.content.decode()
    assert JobShare.objects.get().is_talkable
    client_of(job.owner).post(address, {}, headers=HTMX)
    assert not JobShare.objects.exists()


def test_without_scripts_the_form_leads_back_to_the_job(
    client_of: Sign, job: TrainingJob, cohort: Cohort
) -> None:
    address = reverse("training:job_share", args=[job.pk, cohort.pk])
    answer = client_of(job.owner).post(address, {"is_in_arena": "1"})
    assert answer.status_code == 302
    assert answer["Location"].endswith("#job-sharing")
    assert JobShare.objects.get().is_in_arena


def test_pages_of_others_are_not_there(
    client_of: Sign, job: TrainingJob, cohort: Cohort, other_student: User
) -> None:
    share(job, cohort)
    client = client_of(other_student)
    form = reverse("training:job_share", args=[job.pk, cohort.pk])
    assert client.post(form, {}).status_code == 404
    assert client.get(reverse("training:job_sharing", args=[job.pk])).status_code == 404
    # To talk to an adapter is not to read its job.
    assert client.get(reverse("training:job_detail", args=[job.pk])).status_code == 404
    assert client.get(f"/api/training/jobs/{job.pk}").status_code == 404
    assert client.get(f"/api/training/jobs/{job.pk}/adapter").status_code == 404
    assert JobShare.objects.exists()


def test_a_class_that_one_left_is_not_there(
    client_of: Sign, job: TrainingJob, cohort: Cohort
) -> None:
    Membership.objects.filter(user=job.owner).delete()
    form = reverse("training:job_share", args=[job.pk, cohort.pk])
    assert client_of(job.owner).post(form, {"is_talkable": "1"}).status_code == 404


# --- the API ----------------------------------------------------------------------------------------


def call(client: Client, method: str, path: str, body: Any = None) -> Any:
    return getattr(client, method)(path, body, content_type="application/json")


def test_the_api_shares_and_takes_back(client_of: Sign, job: TrainingJob, cohort: Cohort) -> None:
    client = client_of(job.owner)
    shares = f"/api/training/jobs/{job.pk}/shares"
    nothing = {"is_talkable": False, "is_in_arena": False}
    own_class = {"cohort_id": str(cohort.pk), "cohort_name": "Garden class"}
    assert client.get(shares).json() == [own_class | nothing]
    answer = call(client, "put", f"{shares}/{cohort.pk}", {"is_talkable": True})
    assert (answer.status_code, answer.json()) == (
        200,
        [own_class | {"is_talkable": True, "is_in_arena": False}],
    )
    assert client.delete(f"{shares}/{cohort.pk}").status_code == 204
    assert client.get(shares).json() == [own_class | nothing]


def test_the_api_refuses_in_words(
    client_of: Sign, job: TrainingJob, cohort: Cohort, student: User, other_student: User
) -> None:
    path = f"/api/training/jobs/{job.pk}/shares/{cohort.pk}"
    body = {"is_talkable": True}
    assert call(client_of(other_student), "put", path, body).status_code == 404
    client = client_of(student)
    unknown = f"/api/training/jobs/{job.pk}/shares/{uuid.uuid4()}"
    assert call(client, "put", unknown, body).status_code == 404
    assert call(client, "put", path, {"is_talkable": True, "for_ever": 1}).status_code == 422
    running, _lease = make_running_job(student)
    answer = call(client, "put", f"/api/training/jobs/{running.pk}/shares/{cohort.pk}", body)
    assert answer.status_code == 409
    assert "completed" in answer.json()["message"]
