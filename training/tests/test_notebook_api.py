"""A job's name, words, tags, star and archive over the API, and the list that is filtered by them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from training.models import TrainingJob
from training.tests.factories import make_dataset_version, make_running_job, make_training_job

pytestmark = pytest.mark.django_db
JOBS = "/api/training/jobs"
Sign = Callable[[User], Client]


@pytest.fixture
def signed_in(student: User, client_of: Sign) -> Client:
    return client_of(student)


def patch(client: Client, job: TrainingJob, body: dict[str, Any] | str) -> Any:
    return client.patch(f"{JOBS}/{job.pk}", body, content_type="application/json")


def test_everything_of_a_notebook_is_changed_at_once(signed_in: Client, student: User) -> None:
    job = make_training_job(student)
    body = {
        "name": "Second try",
        "notes": "a\nb",
        "tags": ["庭", "b, c"],
        "is_starred": True,
        "prediction": "below 0.5",
        "explanation": "",
        "archived": True,
    }
    answer = patch(signed_in, job, body)
    assert answer.status_code == 200
    told = answer.json()
    assert {name: told[name] for name in ("name", "notes", "is_starred", "prediction")} == {
        name: body[name] for name in ("name", "notes", "is_starred", "prediction")
    }
    assert told["tags"] == ["庭", "b", "c"]
    assert told["archived_at"] is not None
    assert patch(signed_in, job, {"archived": False}).json()["archived_at"] is None
    assert patch(signed_in, job, {}).json()["notes"] == "a\nb"


def test_faults_stand_at_their_fields(signed_in: Client, student: User) -> None:
    job = make_training_job(student)
    answer = patch(signed_in, job, {"name": "", "notes": "x" * 5001, "tags": ["y" * 41]})
    assert answer.status_code == 422
    assert {fault["field"] for fault in answer.json()["errors"]} == {"name", "notes", "tags"}


@pytest.mark.parametrize(
    "body",
    [
        {"status": "completed"},
        {"tags": "a"},
        {"notes": 1},
        {"is_starred": "perhaps"},
        {"before": {"name": "x"}},
        '{"notes": "\\u0000"}',
        '{"notes": "\\ud83d"}',
    ],
)
def test_a_body_that_is_none_changes_nothing(
    signed_in: Client, student: User, body: dict[str, Any] | str
) -> None:
    job = make_training_job(student)
    assert patch(signed_in, job, body).status_code in (400, 422)
    job.refresh_from_db()
    assert (job.notes, job.status) == ("", "pending")


def test_a_text_changed_meanwhile_is_a_conflict(signed_in: Client, student: User) -> None:
    job = make_training_job(student, notes="newer")
    answer = patch(signed_in, job, {"notes": "mine", "before": {"notes": "older"}})
    assert (answer.status_code, answer.json()["code"]) == (409, "changed_meanwhile")
    answer = patch(signed_in, job, {"notes": "mine", "before": {"notes": "newer"}})
    assert answer.json()["notes"] == "mine"


def test_a_guess_after_the_first_step_is_a_conflict(signed_in: Client, student: User) -> None:
    job, _lease = make_running_job(student, step_count=2)
    answer = patch(signed_in, job, {"prediction": "I knew it", "notes": "x"})
    assert answer.status_code == 409
    job.refresh_from_db()
    assert (job.prediction, job.notes) == ("", "")


def test_the_job_of_somebody_else_is_not_there(signed_in: Client, other_student: User) -> None:
    assert patch(signed_in, make_training_job(other_student), {"name": "x"}).status_code == 404


def test_the_list_is_filtered(signed_in: Client, student: User) -> None:
    version = make_dataset_version(student)

    def make(name: str, **fields: Any) -> TrainingJob:
        return make_training_job(student, name=name, dataset_version=version, **fields)

    make("plain")
    make("tagged", tags=["庭", "a"], is_starred=True)
    archived = make("archived", tags=["garden"])
    patch(signed_in, archived, {"archived": True})
    make_running_job(student, name="runs", dataset_version=version)

    def names(**query: str) -> set[str]:
        answer = signed_in.get(JOBS, query).json()
        assert answer["count"] == len(answer["items"])
        return {item["name"] for item in answer["items"]}

    assert names() == {"plain", "tagged", "archived", "runs"}
    assert names(status="running") == {"runs"}
    assert names(tag="庭") == {"tagged"}
    assert names(tag="garden") == {"archived"}
    assert names(tag="gard") == set()
    assert names(tag='"', starred="true") == set()
    assert names(starred="true") == {"tagged"}
    assert names(starred="false") == {"plain", "archived", "runs"}
    assert names(archived="true") == {"archived"}
    assert names(archived="false") == {"plain", "tagged", "runs"}
    assert signed_in.get(JOBS, {"status": "lost"}).status_code == 422
    assert signed_in.get(JOBS, {"tag": "x" * 41}).status_code == 422
    assert signed_in.get(JOBS, {"tag": "\x00"}).status_code in (200, 422)
