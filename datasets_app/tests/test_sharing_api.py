"""The API calls about sharing, class datasets, imports, previews and space."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.cache import cache
from django.test import Client

from accounts.models import Cohort, Membership, User
from datasets_app.models import Contribution, Dataset, DatasetImport
from datasets_app.tests.factories import INSTRUCTION, make_dataset
from datasets_app.tests.test_imports import FRONT_BACK, kept
from datasets_app.tests.tiny_models import write_tiny_model
from llmlora_site.home import Home

pytestmark = pytest.mark.django_db
BASE = "/api/datasets"


@pytest.fixture
def cohort(student: User, other_student: User, instructor: User) -> Cohort:
    cohort = Cohort.objects.create(name="2B")
    for person, role in (
        (student, "student"),
        (other_student, "student"),
        (instructor, "instructor"),
    ):
        Membership.objects.create(cohort=cohort, user=person, role=role)
    return cohort


def send(client: Client, method: str, path: str, body: Any = None) -> Any:
    return getattr(client, method)(f"{BASE}/{path}", body, content_type="application/json")


def test_sharing_is_read_and_changed_by_the_owner(
    cohort: Cohort, student: User, other_student: User, client_of: Callable[[User], Client]
) -> None:
    dataset = make_dataset(student)
    owner, reader = client_of(student), client_of(other_student)
    path = f"{dataset.pk}/sharing"
    assert owner.get(f"{BASE}/{path}").json() == {
        "visibility": "private",
        "cohort_id": None,
        "course": "",
    }
    body = {"visibility": "cohort", "cohort_id": str(cohort.pk)}
    assert send(owner, "put", path, body).json()["cohort_id"] == str(cohort.pk)
    assert reader.get(f"{BASE}/{dataset.pk}").status_code == 200
    assert send(reader, "put", path, {"visibility": "private"}).status_code == 403
    assert (
        send(owner, "put", path, {"visibility": "course", "course": "level-1"}).status_code == 403
    )
    foreign = Cohort.objects.create(name="3A")
    body = {"visibility": "cohort", "cohort_id": str(foreign.pk)}
    assert send(owner, "put", path, body).status_code == 403
    assert send(owner, "put", path, {"visibility": "everybody"}).status_code == 422


def test_a_class_dataset_from_the_first_row_to_the_version(
    cohort: Cohort, student: User, instructor: User, client_of: Callable[[User], Client]
) -> None:
    leader, member = client_of(instructor), client_of(student)
    body = {"name": "Class", "cohort_id": str(cohort.pk), "data": [INSTRUCTION]}
    assert send(member, "post", "class", body).status_code == 403
    dataset = send(leader, "post", "class", body).json()
    rows = f"{dataset['id']}/class-rows"
    first = send(member, "post", rows, {"question": "When?", "answer": "On Monday."})
    assert (first.status_code, first.json()["state"]) == (201, "waiting")
    second = send(member, "post", rows, {"question": "Where?", "answer": "Here."}).json()
    bad = send(member, "post", rows, {"question": "Where?", "answer": " "})
    assert bad.status_code == 422
    assert (
        send(member, "post", f"{rows}/review", {"row_ids": [], "accept": True}).status_code == 403
    )
    accepted = {"row_ids": [first.json()["id"]], "accept": True}
    assert send(leader, "post", f"{rows}/review", accepted).json() == {"count": 1}
    rejected = {"row_ids": [second["id"]], "accept": False, "reason": "Where is here?"}
    assert send(leader, "post", f"{rows}/review", rejected).json() == {"count": 1}
    assert send(leader, "post", f"{rows}/save").json()["size"] == 2
    assert send(leader, "post", f"{rows}/save").status_code == 204
    listed = {row["record"]["instruction"]: row for row in member.get(f"{BASE}/{rows}").json()}
    assert (listed["When?"]["state"], listed["When?"]["is_saved"]) == ("accepted", True)
    assert listed["Where?"]["reason"] == "Where is here?"


def test_a_row_is_withdrawn_once(
    cohort: Cohort, student: User, other_student: User, client_of: Callable[[User], Client]
) -> None:
    dataset = make_dataset(student)
    Dataset.objects.update(visibility="cohort", cohort=cohort, collects_rows=True)
    client = client_of(other_student)
    rows = f"{dataset.pk}/class-rows"
    row = send(client, "post", rows, {"question": "When?", "answer": "On Monday."}).json()
    assert send(client_of(student), "delete", f"{rows}/{row['id']}").status_code == 404
    assert send(client, "delete", f"{rows}/{row['id']}").status_code == 204
    assert send(client, "delete", f"{rows}/{row['id']}").status_code == 404
    assert not Contribution.objects.exists()


def test_an_import_is_decided(student: User, client_of: Callable[[User], Client]) -> None:
    order = kept(student, FRONT_BACK)
    client = client_of(student)
    body: dict[str, Any] = {"mapping": {"shape": "poem", "columns": {}}}
    answer = send(client, "post", f"imports/{order.pk}", body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "mapping")
    columns = {"instruction": "front", "output": "back"}
    body = {"mapping": {"shape": "instruction", "columns": columns}}
    answer = send(client, "post", f"imports/{order.pk}", body)
    assert (answer.status_code, answer.json()["size"]) == (201, 2)
    assert send(client, "post", f"imports/{order.pk}", body).status_code == 409
    assert DatasetImport.objects.get().result_id is not None


def test_the_hub_is_off_here(student: User, client_of: Callable[[User], Client]) -> None:
    answer = send(client_of(student), "post", "hub", {"repository": "school/garden"})
    assert (answer.status_code, answer.json()["code"]) == (503, "hub")


def test_space_is_told(student: User, client_of: Callable[[User], Client]) -> None:
    make_dataset(student)
    body = client_of(student).get(f"{BASE}/space").json()
    assert 0 < body["used"] < body["limit"]


@pytest.fixture
def home(settings: LazySettings, tmp_path: Path) -> Home:
    """A home folder without any base model."""
    settings.LLMLORA_HOME = Home(tmp_path / "home")
    settings.LLMLORA_HOME.create()
    cache.clear()
    return settings.LLMLORA_HOME


def test_preview_answers_tokens(
    home: Home, student: User, client_of: Callable[[User], Client]
) -> None:
    dataset = make_dataset(student, records=[INSTRUCTION])
    client = client_of(student)
    path = f"{BASE}/{dataset.pk}/preview"
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    write_tiny_model(home.local_models / "tiny")
    body = client.get(path, {"max_length": 512}).json()
    assert (body["base_model"], body["counts"]["fitting"]) == ("tiny", 1)
    (example,) = body["examples"]
    assert INSTRUCTION["output"] in "".join(
        span["text"] for span in example["spans"] if span["is_trained"]
    )
    answer = client.get(path, {"max_length": "long"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "max_length")
