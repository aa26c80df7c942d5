"""The dataset calls of the API, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import User
from datasets_app.models import Dataset
from datasets_app.tests.factories import CHAT, INSTRUCTION, json_lines, make_dataset

pytestmark = pytest.mark.django_db
BASE = "/api/datasets"


@pytest.fixture
def client(student: User, client_of: Callable[[User], Client]) -> Client:
    return client_of(student)


def post(client: Client, body: Any, **headers: str) -> Any:
    return client.post(BASE, json.dumps(body), content_type="application/json", headers=headers)


def test_records_become_a_dataset(client: Client) -> None:
    response = post(
        client, {"name": "Garden", "description": "d", "data": [INSTRUCTION, INSTRUCTION]}
    )
    assert response.status_code == 201
    body = response.json()
    assert (body["name"], body["description"], body["type"], body["size"]) == (
        "Garden",
        "d",
        "instruction",
        2,
    )
    assert body["version"] == 1
    assert len(body["digest"]) == 64
    assert [(issue["code"], issue["count"]) for issue in body["issues"]] == [("duplicates", 1)]
    assert body["issues"][0]["message"].startswith("1 record is an exact copy")
    assert client.get(f"{BASE}/{body['id']}").json() == body


def test_file_becomes_a_dataset(client: Client) -> None:
    file = SimpleUploadedFile("chat.jsonl", json_lines(CHAT))
    response = client.post(f"{BASE}/upload", {"file": file, "description": "two turns"})
    assert response.status_code == 201
    assert (response.json()["name"], response.json()["type"]) == ("chat", "chat")


def test_bad_records_answer_422_with_every_line(client: Client) -> None:
    response = post(client, {"name": "Bad", "data": [INSTRUCTION, {"instruction": "Why?"}, "word"]})
    assert response.status_code == 422
    body = response.json()
    assert body["code"] == "invalid"
    assert [(fault.get("line"), fault.get("field")) for fault in body["errors"]] == [
        (2, "output"),
        (3, None),
    ]
    assert not Dataset.objects.exists()


def test_bad_file_answers_422_with_every_line(client: Client) -> None:
    file = SimpleUploadedFile("bad.csv", b"prompt,completion\na,b\nc\n")
    response = client.post(f"{BASE}/upload", {"file": file})
    assert response.status_code == 422
    assert {fault["line"] for fault in response.json()["errors"]} == {3}


def test_too_large_a_file_answers_413(client: Client, settings: LazySettings) -> None:
    settings.MAX_UPLOAD_BYTES = 10
    response = client.post(
        f"{BASE}/upload", {"file": SimpleUploadedFile("a.jsonl", json_lines(CHAT))}
    )
    assert response.status_code == 413
    assert response.json()["code"] == "too_large"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "x"},
        {"name": "x", "data": "word"},
        {"name": "x", "data": {}},
        {"name": 3, "data": [INSTRUCTION]},
        {"name": "x", "data": [INSTRUCTION], "type": "poem"},
        {"name": "x", "data": [INSTRUCTION], "owner": 1},
        {"name": "", "data": [INSTRUCTION]},
        {"name": "x", "data": []},
        [],
    ],
)
def test_bad_bodies_answer_422_with_sentences(body: Any, client: Client) -> None:
    response = post(client, body)
    assert response.status_code == 422
    assert all(fault["message"] for fault in response.json()["errors"])
    assert not Dataset.objects.exists()


def test_no_file_answers_422(client: Client) -> None:
    assert client.post(f"{BASE}/upload", {"name": "x"}).status_code == 422


def test_same_idempotency_key_gives_the_same_dataset(client: Client) -> None:
    answers = [
        post(client, {"name": "Once", "data": [CHAT]}, **{"Idempotency-Key": "k1"})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert Dataset.objects.count() == 1


def test_list_has_own_datasets_with_count(
    client: Client, student: User, other_student: User
) -> None:
    for name in ("a", "b", "c"):
        make_dataset(student, name=name)
    make_dataset(other_student)
    body = client.get(BASE, {"limit": 2, "offset": 1}).json()
    assert body["count"] == 3
    assert [item["name"] for item in body["items"]] == ["b", "a"]


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 201}, {"offset": -1}, {"limit": "x"}])
def test_bad_windows_answer_422(query: dict[str, Any], client: Client, student: User) -> None:
    assert client.get(BASE, query).status_code == 422
    assert client.get(f"{BASE}/{make_dataset(student).pk}/data", query).status_code == 422


def test_data_is_read_in_windows(client: Client, student: User) -> None:
    records = [INSTRUCTION | {"output": f"Answer {number}"} for number in range(5)]
    dataset = make_dataset(student, records=records)
    body = client.get(f"{BASE}/{dataset.pk}/data", {"limit": 2, "offset": 2}).json()
    assert body == {"items": records[2:4], "count": 5}


def test_delete_answers_204_and_then_404(client: Client, student: User) -> None:
    address = f"{BASE}/{make_dataset(student).pk}"
    assert client.delete(address).status_code == 204
    assert client.delete(address).status_code == 404


def test_another_persons_dataset_answers_404(client: Client, other_student: User) -> None:
    address = f"{BASE}/{make_dataset(other_student).pk}"
    for response in (client.get(address), client.get(f"{address}/data"), client.delete(address)):
        assert response.status_code == 404
        assert response.json()["code"] == "not_found"
    assert Dataset.objects.exists()


def test_signed_out_callers_answer_401() -> None:
    stranger = Client()
    assert stranger.get(BASE).status_code == 401
    assert post(stranger, {"name": "x", "data": [CHAT]}).status_code == 401
