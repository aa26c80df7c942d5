"""Everything the pages of prompt sets do, a program can do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import User
from chat.models import PromptRun
from chat.tests.prompt_factories import answer_all, make_run, make_set
from training.tests.factories import make_completed_job

pytestmark = pytest.mark.django_db

ClientOf = Callable[[User], Client]
SETS, RUNS = "/api/chat/prompt-sets", "/api/chat/prompt-runs"
JSON = "application/json"


def post(client: Client, address: str, body: Any, **headers: str) -> Any:
    return client.post(address, body, content_type=JSON, headers=headers)


def test_a_set_is_kept_changed_copied_and_deleted(student: User, client_of: ClientOf) -> None:
    client = client_of(student)
    items = [{"prompt": "Who?", "reference": "Anna"}, {"prompt": "When?"}]
    made = post(client, SETS, {"name": "Garden", "items": items})
    assert made.status_code == 201
    address = f"{SETS}/{made.json()['id']}"
    assert client.get(address).json()["items"][1] == {"prompt": "When?", "reference": ""}
    change = {"items": items[:1], "name": "Yard", "seen_digest": made.json()["digest"]}
    changed = client.patch(address, change, content_type=JSON)
    assert (changed.json()["name"], changed.json()["item_count"]) == ("Yard", 1)
    assert client.patch(address, change, content_type=JSON).status_code == 409
    assert post(client, f"{address}/duplicate", {}).status_code == 201
    assert client.get(SETS).json()["count"] == 2
    assert client.delete(address).status_code == 204
    assert client.get(address).status_code == 404


def test_faults_name_their_question(student: User, client_of: ClientOf) -> None:
    body = {"name": "Garden", "items": [{"prompt": "Who?"}, {"prompt": " "}]}
    answer = post(client_of(student), SETS, body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["line"] == 2


def test_a_file_is_uploaded(student: User, client_of: ClientOf) -> None:
    file = SimpleUploadedFile("q.csv", "質問,答え\n誰ですか。,花子\n".encode("cp932"))
    answer = client_of(student).post(f"{SETS}/upload", {"name": "Q", "file": file})
    assert answer.status_code == 201
    assert answer.json()["items"] == [{"prompt": "誰ですか。", "reference": "花子"}]


def test_a_run_is_started_once_followed_and_read(student: User, client_of: ClientOf) -> None:
    client, job = client_of(student), make_completed_job(student)
    (course, *_others) = client.get(f"{SETS}/courses").json()["items"]
    body = {"models": [f"job-{job.pk}", job.base_model.name], "course_id": course["id"]}
    headers = {"Idempotency-Key": "once"}
    made = post(client, RUNS, body, **headers)
    assert made.status_code == 201
    assert post(client, RUNS, body, **headers).json()["id"] == made.json()["id"]
    run = PromptRun.objects.get()
    address = f"{RUNS}/{run.pk}"
    assert client.get(address).json()["progress"][0] == {"name": job.name, "done": 0, "total": 10}
    assert client.get(f"{address}/results").json()["summary"][0]["answered"] == 0
    answer_all(run, lambda reply: reply.target)
    assert client.get(address).json()["state"] == "completed"
    results = client.get(f"{address}/results").json()
    assert results["digest"] == course["digest"]
    assert results["source"]["kind"] == "course"
    assert results["differences"][0]["loss"]["verdict"] == "better"
    assert results["items"][0]["answers"][1]["text"] == "base"
    assert client.get(f"{address}/export?format=csv").content.startswith(b"\xef\xbb\xbf")
    assert client.get(f"{address}/export?format=exe").status_code == 422
    assert post(client, f"{address}/cancel", {}).status_code == 409
    assert client.get(RUNS).json()["count"] == 1
    assert client.delete(address).status_code == 204


def test_a_run_is_cancelled(student: User, client_of: ClientOf) -> None:
    run = make_run(student)
    answer = post(client_of(student), f"{RUNS}/{run.pk}/cancel", {})
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")


@pytest.mark.parametrize(
    "body",
    [
        {"models": ["smollm2-135m-instruct"]},
        {"models": [], "course_id": "level-1-eval"},
        {"models": ["smollm2-135m-instruct"], "course_id": "level-1-eval", "more": 1},
    ],
)
def test_a_bad_order_is_refused(student: User, client_of: ClientOf, body: dict[str, Any]) -> None:
    assert post(client_of(student), RUNS, body).status_code == 422


def test_everything_of_another_person_is_not_there(
    student: User, other_student: User, client_of: ClientOf
) -> None:
    prompt_set, run = make_set(student), make_run(student)
    client = client_of(other_student)
    reads = [f"{SETS}/{prompt_set.pk}", *(f"{RUNS}/{run.pk}{part}" for part in ("", "/results"))]
    assert {client.get(address).status_code for address in [*reads, f"{reads[1]}/export"]} == {404}
    assert {client.delete(address).status_code for address in reads[:2]} == {404}
    assert client.patch(reads[0], {"name": "x"}, content_type=JSON).status_code == 404
    assert post(client, f"{reads[0]}/duplicate", {}).status_code == 404
    assert post(client, f"{reads[1]}/cancel", {}).status_code == 404
    body = {"models": ["smollm2-135m-instruct"], "set_id": str(prompt_set.pk)}
    assert post(client, RUNS, body).status_code == 404
    assert (client.get(SETS).json()["count"], client.get(RUNS).json()["count"]) == (0, 0)
    messages = f"/api/chat/sessions/{run.session_id}/messages"
    assert client_of(student).get(messages).status_code == 404
