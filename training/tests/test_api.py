"""The training calls of the API."""

from __future__ import annotations

import io
import uuid
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.test import Client

from accounts.models import User
from training.downloads import adapter_response
from training.models import TrainingJob
from training.tests.factories import (
    make_base_model,
    make_completed_job,
    make_dataset_version,
    make_failed_job,
    make_running_job,
    make_training_job,
)

pytestmark = pytest.mark.django_db
JOBS = "/api/training/jobs"


@pytest.fixture
def signed_in(student: User, client_of: Callable[[User], Client]) -> Client:
    return client_of(student)


def body_for(owner: User, **changes: Any) -> dict[str, Any]:
    model = make_base_model()
    dataset = make_dataset_version(owner).dataset
    return {
        "name": "Garden",
        "model_name": model.name,
        "dataset_id": str(dataset.pk),
        "lora_config": {"r": 4, "target_modules": ["q_proj", "v_proj"]},
        "training_config": {"num_epochs": 2},
    } | changes


def post(client: Client, body: Any, **headers: str) -> Any:
    return client.post(JOBS, body, content_type="application/json", headers=headers)


def fields_of(response: Any) -> list[str]:
    return [fault["field"] for fault in response.json()["errors"]]


def test_presets_carry_complete_settings(signed_in: Client) -> None:
    presets = signed_in.get("/api/training/presets").json()
    assert [preset["name"] for preset in presets["lora"] if preset["is_default"]] == ["balanced"]
    assert presets["training"][0]["training_config"]["learning_rate"] == 2e-3
    assert "lora_config" not in presets["training"][0]


def test_a_job_is_created_with_defaults_for_what_is_left_out(
    signed_in: Client, student: User
) -> None:
    body = body_for(student)
    response = post(signed_in, body)
    job = response.json()
    assert response.status_code == 201
    assert {name: job[name] for name in ("name", "model_name", "dataset_id")} == {
        name: body[name] for name in ("name", "model_name", "dataset_id")
    }
    assert job["lora_config"] == {
        "r": 4,
        "alpha": 16.0,
        "dropout": 0.0,
        "target_modules": ["q_proj", "v_proj"],
        "variant": "lora",
        "bias": "none",
        "rank_pattern": {},
        "alpha_pattern": {},
    }
    assert (job["eval_dataset_id"], job["sample_prompts"]) == (None, [])
    assert (job["status"], job["stage"], job["queue_position"]) == ("pending", "queued", 1)
    assert job["estimated_time_remaining"] is None
    assert job["error_message"] is None


def test_a_job_shows_its_evaluation_dataset_and_its_questions(
    signed_in: Client, student: User
) -> None:
    measured = make_dataset_version(student, name="Unseen").dataset
    changes = {"eval_dataset_id": str(measured.pk), "sample_prompts": [" Who waters? ", " "]}
    job = post(signed_in, body_for(student, **changes)).json()
    assert job["eval_dataset_id"] == str(measured.pk)
    assert job["sample_prompts"] == ["Who waters?"]
    assert signed_in.get(f"{JOBS}/{job['id']}").json()["sample_prompts"] == ["Who waters?"]


def test_layers_take_values_of_their_own(signed_in: Client, student: User) -> None:
    config = {"target_modules": "attention", "rank_pattern": {"q_proj": 16}}
    job = post(signed_in, body_for(student, lora_config=config)).json()
    assert job["lora_config"]["target_modules"] == ["q_proj", "k_proj", "v_proj", "o_proj"]
    assert job["lora_config"]["rank_pattern"] == {"q_proj": 16}


@pytest.mark.parametrize("pattern", [{"q_proj": 0}, {"q_proj": 1.5}, {"lm_head": 4}, "q_proj=4"])
def test_a_pattern_that_can_not_be_used_is_told(
    signed_in: Client, student: User, pattern: Any
) -> None:
    response = post(signed_in, body_for(student, lora_config={"rank_pattern": pattern}))
    assert (response.status_code, fields_of(response)) == (422, ["lora_config.rank_pattern"])


def test_the_same_key_gives_the_same_job(signed_in: Client, student: User) -> None:
    body = body_for(student)
    ids = {post(signed_in, body, **{"Idempotency-Key": "once"}).json()["id"] for _try in range(2)}
    assert len(ids) == TrainingJob.objects.count() == 1


def test_every_fault_is_told_with_its_path(signed_in: Client, student: User) -> None:
    body = body_for(
        student,
        name=" ",
        model_name="gpt-9",
        lora_config={"r": 0, "beta": 1},
        training_config={"learning_rate": "fast", "num_epochs": 1.5},
    )
    response = post(signed_in, body)
    assert response.status_code == 422
    assert sorted(fields_of(response)) == [
        "lora_config.beta",
        "lora_config.r",
        "model_name",
        "name",
        "training_config.learning_rate",
        "training_config.num_epochs",
    ]
    assert not TrainingJob.objects.exists()


def test_unknown_fields_are_refused(signed_in: Client, student: User) -> None:
    response = post(signed_in, body_for(student, gpu=True))
    assert (response.status_code, fields_of(response)) == (422, ["gpu"])


def test_nan_is_not_json(signed_in: Client, student: User) -> None:
    response = post(signed_in, '{"name": "x", "lora_config": {"r": NaN}}')
    assert (response.status_code, response.json()["code"]) == (400, "malformed_json")


def test_the_dataset_of_somebody_else_is_not_there(
    signed_in: Client, student: User, other_student: User
) -> None:
    theirs = make_dataset_version(other_student).dataset
    response = post(signed_in, body_for(student, dataset_id=str(theirs.pk)))
    assert (response.status_code, fields_of(response)) == (422, ["dataset_id"])


def test_the_list_shows_own_jobs_newest_first(
    signed_in: Client, student: User, other_student: User
) -> None:
    first, second = make_training_job(student), make_training_job(student)
    make_training_job(other_student)
    answer = signed_in.get(JOBS, {"limit": 1}).json()
    assert (answer["count"], [job["id"] for job in answer["items"]]) == (2, [str(second.pk)])
    answer = signed_in.get(JOBS, {"offset": 1}).json()
    assert [job["id"] for job in answer["items"]] == [str(first.pk)]


def test_progress_after_a_step(signed_in: Client, student: User) -> None:
    job, _lease = make_running_job(student, step_count=20)
    answer = signed_in.get(f"{JOBS}/{job.pk}/progress", {"after_step": 18}).json()
    assert [metric["step"] for metric in answer["metrics"]] == [19, 20]
    assert {"loss", "learning_rate", "grad_norm", "timestamp"} <= set(answer["metrics"][0])
    assert (answer["current_step"], answer["total_steps"]) == (20, 75)
    assert answer["progress"] == pytest.approx(20 / 75)


def test_the_time_left_of_a_running_job(signed_in: Client, student: User) -> None:
    job, _lease = make_running_job(student, step_count=20)
    # The rows are one second apart, and 55 steps are left.
    assert signed_in.get(f"{JOBS}/{job.pk}").json()["estimated_time_remaining"] == pytest.approx(
        55, abs=2
    )


def test_a_failure_is_told_in_the_callers_language(signed_in: Client, student: User) -> None:
    job = make_failed_job(student)
    english, japanese = (
        signed_in.get(f"{JOBS}/{job.pk}", headers={"Accept-Language": language}).json()
        for language in ("en", "ja")
    )
    assert english["error_code"] == japanese["error_code"] == "out_of_memory"
    assert english["error_message"].startswith("The device ran out of memory.")
    assert japanese["error_message"] != english["error_message"]


def test_cancel_of_a_running_job(signed_in: Client, student: User) -> None:
    job, _lease = make_running_job(student)
    response = signed_in.post(f"{JOBS}/{job.pk}/cancel")
    assert (response.status_code, response.json()["stage"]) == (202, "cancelling")


def test_stop_of_a_running_job_is_answered_at_once_and_twice_the_same(
    signed_in: Client, student: User
) -> None:
    job, _lease = make_running_job(student, step_count=3)
    for _try in range(2):
        response = signed_in.post(f"{JOBS}/{job.pk}/stop")
        assert (response.status_code, response.json()["stage"]) == (202, "stopping")
    assert signed_in.post(f"{JOBS}/{job.pk}/cancel").json()["stage"] == "cancelling"
    assert signed_in.post(f"{JOBS}/{job.pk}/stop").status_code == 409


def test_states_that_forbid_a_call_answer_409(signed_in: Client, student: User) -> None:
    over, (running, _lease) = make_completed_job(student), make_running_job(student)
    assert signed_in.post(f"{JOBS}/{over.pk}/cancel").status_code == 409
    assert signed_in.post(f"{JOBS}/{over.pk}/stop").status_code == 409
    waiting = make_training_job(student)
    refusal = signed_in.post(f"{JOBS}/{waiting.pk}/stop")
    assert (refusal.status_code, "Cancel it instead" in refusal.json()["message"]) == (409, True)
    assert signed_in.delete(f"{JOBS}/{running.pk}").status_code == 409
    assert signed_in.get(f"{JOBS}/{running.pk}/adapter").status_code == 409


def test_a_job_that_is_over_is_deleted(signed_in: Client, student: User) -> None:
    job = make_completed_job(student)
    assert signed_in.delete(f"{JOBS}/{job.pk}").status_code == 204
    assert signed_in.get(f"{JOBS}/{job.pk}").status_code == 404


def test_the_adapter_is_a_zip(signed_in: Client, student: User) -> None:
    response = signed_in.get(f"{JOBS}/{make_completed_job(student).pk}/adapter")
    names = zipfile.ZipFile(io.BytesIO(b"".join(response))).namelist()
    assert names == ["adapter_config.json", "adapter_model.safetensors"]
    assert response.headers["Content-Type"] == "application/zip"
    assert "attachment" in response.headers["Content-Disposition"]


@pytest.mark.django_db(transaction=True)
async def test_the_adapter_is_sent_in_pieces_by_an_event_loop(student: User) -> None:
    job = await database_sync_to_async(make_completed_job)(student)
    response = await database_sync_to_async(adapter_response)(job)
    content = b"".join([piece async for piece in response])
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None


@pytest.mark.parametrize(
    ("method", "call"),
    [
        *(("get", ""), ("get", "/progress"), ("get", "/adapter")),
        *(("post", "/cancel"), ("post", "/stop"), ("delete", "")),
    ],
)
def test_foreign_unknown_and_malformed_ids_are_not_there(
    signed_in: Client, other_student: User, method: str, call: str
) -> None:
    theirs = make_completed_job(other_student)
    for job_id in (theirs.pk, uuid.uuid4(), "nonsense"):
        assert getattr(signed_in, method)(f"{JOBS}/{job_id}{call}").status_code == 404
    assert TrainingJob.objects.filter(pk=theirs.pk).exists()


@pytest.mark.parametrize("call", ["/api/training/presets", JOBS])
def test_signed_out_calls_are_refused(client: Client, call: str) -> None:
    assert client.get(call).status_code == 401


def test_the_documentation_states_the_ranges_of_the_engine(signed_in: Client) -> None:
    schemas = signed_in.get("/api/openapi.json").json()["components"]["schemas"]
    settings = schemas["JobRequest"]["properties"]["lora_config"]["properties"]
    rank = settings["r"]
    assert (rank["minimum"], rank["maximum"], rank["default"]) == (1, 512, 8)
    pattern = settings["rank_pattern"]
    assert (pattern["type"], pattern["default"]) == ("object", {})
    assert pattern["properties"]["down_proj"] == {"type": "integer", "minimum": 1, "maximum": 512}
    assert settings["alpha_pattern"]["properties"]["q_proj"]["type"] == "number"
