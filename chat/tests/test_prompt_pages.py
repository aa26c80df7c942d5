"""The pages of prompt sets: made, changed, run, read, and closed to everybody else."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from chat import lifecycle
from chat.models import PromptRun, PromptSet
from chat.tests.factories import start_reply
from chat.tests.prompt_factories import (
    answer_all,
    make_run,
    make_set,
    right_when_tuned,
    waiting_replies,
)
from datasets_app.tests.factories import make_dataset
from training.tests.factories import make_completed_job

pytestmark = pytest.mark.django_db

ClientOf = Callable[[User], Client]
SETS = "/chat/prompt-sets/"
RUNS = "/chat/prompt-runs/"


def the_set() -> PromptSet:
    return PromptSet.objects.get()


def test_questions_are_typed_and_changed_one_by_one(student: User, client_of: ClientOf) -> None:
    client = client_of(student)
    typed = {"name": "Garden", "text": "Who waters bed 1?\tClass 1B.\n\nWhen?\n"}
    response = client.post(f"{SETS}new/", typed)
    address = f"{SETS}{the_set().pk}/"
    assert response.headers["Location"] == address
    assert the_set().items == [
        {"prompt": "Who waters bed 1?", "reference": "Class 1B."},
        {"prompt": "When?", "reference": ""},
    ]
    seen = the_set().digest
    client.post(f"{address}items/", {"prompt": "Why?", "reference": "", "seen": seen})
    stale = client.post(f"{address}items/2/", {"prompt": "When then?", "seen": seen})
    assert stale.status_code == 422
    assert "changed in another window" in stale.text
    client.post(f"{address}items/2/", {"prompt": "When then?", "seen": the_set().digest})
    client.post(f"{address}items/1/remove/", {"seen": the_set().digest})
    client.post(f"{address}rename/", {"name": "Yard"})
    assert [item["prompt"] for item in the_set().items] == ["When then?", "Why?"]
    assert the_set().name == "Yard"
    assert "When then?" in client.get(f"{address}?edit=1").text
    assert client.post(f"{address}items/9/", {"prompt": "x"}).status_code == 404


def test_a_set_is_copied_and_deleted(student: User, client_of: ClientOf) -> None:
    client, original = client_of(student), make_set(student)
    client.post(f"{SETS}{original.pk}/duplicate/")
    copy = PromptSet.objects.exclude(pk=original.pk).get()
    assert (copy.items, copy.digest) == (original.items, original.digest)
    assert copy.name == "Garden questions (copy)"
    assert "Garden questions" in client.get(f"{SETS}{original.pk}/delete/").text
    client.post(f"{SETS}{original.pk}/delete/")
    assert the_set() == copy


def test_faults_of_a_file_are_told_by_line(student: User, client_of: ClientOf) -> None:
    file = SimpleUploadedFile("q.csv", b"prompt,reference\nWho?,Anna\n,Ben\nToo,many,cells\n")
    response = client_of(student).post(f"{SETS}new/?way=file", {"name": "Q", "file": file})
    assert response.status_code == 422
    assert not PromptSet.objects.exists()
    assert '<td class="is-number">4</td>' in response.text


def test_a_dataset_and_a_course_become_sets(student: User, client_of: ClientOf) -> None:
    client, dataset = client_of(student), make_dataset(student)
    client.post(f"{SETS}new/?way=dataset", {"name": "D", "dataset_id": str(dataset.pk)})
    assert the_set().items[0]["reference"] == "Class 2B waters it."
    client.post(f"{SETS}copy/", {"course": "level-1-eval"})
    assert PromptSet.objects.count() == 2
    assert client.post(f"{SETS}copy/", {"course": "level-9"}).status_code == 404


def test_the_page_of_a_job_leads_to_a_run_of_it(student: User, client_of: ClientOf) -> None:
    client, job = client_of(student), make_completed_job(student)
    address = f"{RUNS}new/?job={job.pk}"
    assert address in client.get(f"/training/{job.pk}/").text
    page = client.get(address).text
    assert page.count(" checked") == 2
    response = client.post(
        address,
        {
            "questions": "course:level-1-eval",
            "models": [f"job-{job.pk}", job.base_model.name],
            "max_tokens": "40",
            "temperature": "0",
            "seed": "0",
        },
    )
    run = PromptRun.objects.get()
    assert response.headers["Location"] == f"{RUNS}{run.pk}/"
    assert run.results["sampling"]["max_tokens"] == 40
    assert run.session.answerers.count() == 2


def test_too_few_and_unknown_choices_are_told(student: User, client_of: ClientOf) -> None:
    response = client_of(student).post(f"{RUNS}new/", {"questions": "set:none"})
    assert response.status_code == 422
    assert "Choose at least one model." in response.text


def test_a_run_shows_its_progress_and_then_its_answers(student: User, client_of: ClientOf) -> None:
    client, run = client_of(student), make_run(student, count=30)
    address = f"{RUNS}{run.pk}/"
    under_way = client.get(address).text
    assert 'hx-trigger="every 2s"' in under_way
    assert "0 of 30" in under_way
    answer_all(run)
    part = client.get(address, headers={"HX-Request": "true", "HX-Target": "run-live"}).text
    assert "<html" not in part
    assert "hx-trigger" not in part
    assert "class 1b" in part
    assert "Better than" in part
    second = client.get(f"{address}?page=2&show=one_right&order=hardest").text
    assert second.count("Answer hoped for") == 5
    assert "No question is like that." in client.get(f"{address}?show=none_right").text
    assert not student.notifications.filter(kind="prompt_run_completed", seen_at=None).exists()


def test_what_a_model_writes_does_nothing(student: User, client_of: ClientOf) -> None:
    run = answer_all(make_run(student), lambda _reply: "=1+1 <script>alert(1)</script> \u202eevil")
    page = client_of(student).get(f"{RUNS}{run.pk}/").text
    assert "<script>alert" not in page
    assert "\u202e" not in page
    content = client_of(student).get(f"{RUNS}{run.pk}/export/?format=csv").content
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    assert len(rows) == 4
    assert rows[1][3].startswith("'=1+1")


def test_the_json_has_what_it_takes_to_repeat_it(student: User, client_of: ClientOf) -> None:
    run = answer_all(make_run(student))
    response = client_of(student).get(f"{RUNS}{run.pk}/export/?format=json")
    data = json.loads(response.content)
    assert data["digest"] == run.digest
    assert data["models"][0]["adapter_digest"] == "0" * 64
    assert data["sampling"]["temperature"] == 0
    assert data["items"][1]["answers"][0]["text"] == "class 1b"
    assert "version:" in data["similarity_measure"]


def test_a_run_is_stopped_and_deleted(student: User, client_of: ClientOf) -> None:
    client, run = client_of(student), make_run(student)
    client.post(f"{RUNS}{run.pk}/cancel/")
    run.refresh_from_db()
    assert run.state == PromptRun.State.CANCELLED
    assert "Stopping" in client.get(f"{RUNS}{run.pk}/").text
    client.post(f"{RUNS}{run.pk}/delete/")
    assert not PromptRun.objects.exists()


def test_everything_of_another_person_is_not_there(
    student: User, other_student: User, client_of: ClientOf
) -> None:
    prompt_set, run = make_set(student), make_run(student)
    client = client_of(other_student)
    addresses = [f"{SETS}{prompt_set.pk}/", f"{SETS}{prompt_set.pk}/delete/"]
    addresses += [f"{RUNS}{run.pk}/{part}" for part in ("", "export/", "delete/")]
    assert {client.get(address).status_code for address in addresses} == {404}
    posts = [f"{SETS}{prompt_set.pk}/{part}/" for part in ("rename", "items", "items/1", "delete")]
    posts += [f"{SETS}{prompt_set.pk}/{part}/" for part in ("duplicate", "items/1/remove")]
    posts += [f"{RUNS}{run.pk}/{part}/" for part in ("cancel", "delete")]
    assert {client.post(address).status_code for address in posts} == {404}


def test_a_run_is_no_chat(student: User, client_of: ClientOf) -> None:
    client, run = client_of(student), make_run(student)
    assert client.get(f"/chat/{run.session_id}/").status_code == 404
    sent = client.post(f"/chat/{run.session_id}/messages/", {"text": "Hello"})
    assert sent.status_code == 404
    assert run.session.name not in client.get("/chat/").text


def test_lists_cost_the_same_however_long_they_are(student: User, client_of: ClientOf) -> None:
    client, job = client_of(student), make_completed_job(student)

    def cost(address: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert client.get(address).status_code == 200
        return len(queries)

    run = answer_all(make_run(student, job=job))
    pages: tuple[Any, ...] = (SETS, f"{RUNS}new/", f"{RUNS}{run.pk}/")
    before = [cost(address) for address in pages]
    for _number in range(3):
        make_completed_job(student)
        longer = answer_all(make_run(student, job=job, count=9), right_when_tuned)
    assert [cost(address) for address in (SETS, f"{RUNS}new/", f"{RUNS}{longer.pk}/")] == before


def test_why_a_question_has_no_answer_is_told(student: User, client_of: ClientOf) -> None:
    run = make_run(student, count=1)
    (lost, *_others) = waiting_replies(run)
    lifecycle.fail(start_reply(lost), "prompt_too_long")
    answer_all(run)
    page = client_of(student).get(f"{RUNS}{run.pk}/?show=failed").text
    assert "Shorten it, then run the set again." in page
    assert "Answered 0 of 1 question" in page
