"""The page of a new job tells before the start: time, memory, advice, mends, the first rows; and so does the API."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse

from accounts.models import Cohort, Membership, User
from datasets_app.models import Dataset
from datasets_app.tests.factories import make_dataset
from llmlora_site.home import Home
from modelhub.models import BaseModel, Worker
from training.forms import TrainingJobForm, default_values, job_values
from training.models import TrainingJob
from training.tests.preflight_factories import (
    MODEL,
    make_calibration,
    make_measured_model,
    make_measured_worker,
)
from training.tests.test_preflight import LONG, SHORT

pytestmark = pytest.mark.django_db
NEW, PLAN = reverse("training:job_new"), reverse("training:job_plan")
ROWS, FIT = reverse("training:job_rows"), reverse("training:job_fit")
ESTIMATE = "/api/training/estimate"


@pytest.fixture
def signed_in(student: User, client_of: Callable[[User], Client]) -> Client:
    return client_of(student)


@pytest.fixture
def base_model(db: None, new_home: Home, settings: LazySettings) -> BaseModel:
    settings.LLMLORA_HOME = new_home
    return make_measured_model(new_home.local_models)


@pytest.fixture
def beds(student: User) -> Dataset:
    return make_dataset(student, name="Beds", records=SHORT)


@pytest.fixture
def essays(student: User) -> Dataset:
    return make_dataset(student, name="Essays", records=LONG)


def typed(dataset: Dataset, **changes: Any) -> dict[str, Any]:
    """The default form with another model, and hyperparameters by their own names."""
    values = default_values() | {
        "name": "Beds",
        "dataset": str(dataset.pk),
        "base_model": MODEL,
        "idempotency_key": "once",
    }
    for name, value in changes.items():
        prefixed = [f"{prefix}.{name}" for prefix in ("lora_config", "training_config")]
        values[next((full for full in prefixed if full in values), name)] = value
    return values


def page(response: Any) -> str:
    assert response.status_code == 200
    return " ".join(html.unescape(response.content.decode()).split())


def changes_in(text: str) -> list[dict[str, Any]]:
    return [json.loads(found) for found in re.findall(r'data-changes="(\{.*?\})"', text)]


# --- the plan -------------------------------------------------------------------------------------


def test_time_and_memory_stand_beside_the_form(
    signed_in: Client, base_model: BaseModel, beds: Dataset
) -> None:
    make_measured_worker(base_model)
    text = page(signed_in.post(PLAN, typed(beds)))
    assert re.search(r"about \d+ (s|min)", text)
    assert "on Test processor" in text
    assert "badge--success" in text
    assert "corrected by past jobs" not in text
    assert 'id="plan-said" hx-swap-oob="innerHTML"' in text


def test_the_page_of_a_job_to_repeat_tells_it_from_the_start(
    signed_in: Client, student: User, base_model: BaseModel, beds: Dataset
) -> None:
    make_measured_worker(base_model)
    job = TrainingJob.objects.create(
        owner=student,
        name="Again",
        base_model=base_model,
        dataset_version=beds.versions.get(),
        lora_config={"r": 8},
        training_config={"num_epochs": 3},
    )
    text = page(signed_in.get(NEW, {"from": job.pk}))
    assert re.search(r"about \d+ s|a few seconds", text)
    assert "css/dataset_preview.css" in text
    assert f'hx-post="{ROWS}"' in text


def test_nothing_is_made_up_where_nothing_was_measured(
    signed_in: Client, base_model: BaseModel, beds: Dataset
) -> None:
    text = page(signed_in.post(PLAN, typed(beds)))
    assert "No time can be told yet" in text
    assert "Memory" not in text.replace("memory", "")
    assert "8 in each of 15 epochs" in text


def test_what_does_not_fit_says_so_and_offers_what_turns_it(
    signed_in: Client, base_model: BaseModel, essays: Dataset
) -> None:
    make_measured_worker(base_model, available_bytes=1_500_000_000)
    values = typed(
        essays, max_length="2048", batch_size="1", gradient_checkpointing="off", num_epochs="5"
    )
    text = page(signed_in.post(PLAN, values))
    assert "Does not fit" in text
    assert "It does not run with these settings" in text
    assert not re.search(r"forecast__time", text)
    [changes, *_others] = changes_in(text)
    assert changes == {"training_config.gradient_checkpointing": "on"}
    again = page(signed_in.post(PLAN, values | changes))
    assert "Does not fit" not in again


def test_advice_stands_with_the_change_that_mends_it(
    signed_in: Client, base_model: BaseModel, beds: Dataset
) -> None:
    make_measured_worker(base_model)
    values = typed(beds, learning_rate="0.05")
    text = page(signed_in.post(PLAN, values))
    assert "the loss will probably blow up" in text
    assert changes_in(text) == [{"training_config.learning_rate": 0.002}]
    assert "Set learning rate 0.002" in text
    again = page(signed_in.post(PLAN, values | changes_in(text)[0]))
    assert "Before you start" not in again


def test_a_disturbed_measurement_is_told_as_such(
    signed_in: Client, base_model: BaseModel, beds: Dataset
) -> None:
    make_measured_worker(base_model, other_load=0.6)
    assert "while other programs ran" in page(signed_in.post(PLAN, typed(beds)))


# --- the first rows -------------------------------------------------------------------------------


def test_three_rows_are_shown_as_the_model_will_see_them(
    signed_in: Client, base_model: BaseModel, essays: Dataset
) -> None:
    text = page(signed_in.post(ROWS, typed(essays, max_length="1000")))
    assert text.count('class="card token-row"') == 3
    assert "10 examples are used" in text
    assert "10 questions shortened" in text
    assert "no answer cut" in text


def test_cut_answers_and_left_out_examples_are_counted(
    signed_in: Client, base_model: BaseModel, essays: Dataset
) -> None:
    assert "10 answers cut" in page(signed_in.post(ROWS, typed(essays, max_length="256")))
    dropped = page(signed_in.post(ROWS, typed(essays, max_length="1700", overlong="drop")))
    assert "1 example left out" in dropped
    assert "9 examples are used" in dropped


def test_rows_wait_for_what_is_missing(
    signed_in: Client, base_model: BaseModel, beds: Dataset
) -> None:
    assert "Choose a dataset" in page(signed_in.post(ROWS, typed(beds) | {"dataset": ""}))
    assert "Enter a value from 64" in page(signed_in.post(ROWS, typed(beds, max_length="3")))


def test_rows_of_a_model_that_is_not_here_say_so(
    signed_in: Client, base_model: BaseModel, beds: Dataset, tmp_path: Any, settings: LazySettings
) -> None:
    settings.LLMLORA_HOME = Home(tmp_path / "elsewhere")
    assert "not on this server yet" in page(signed_in.post(ROWS, typed(beds)))


def test_the_rows_of_somebody_else_are_not_shown(
    signed_in: Client, other_student: User, base_model: BaseModel, beds: Dataset
) -> None:
    theirs = make_dataset(other_student, name="Secret", records=LONG)
    assert "Answer" not in page(signed_in.post(ROWS, typed(theirs)))


# --- so many minutes ------------------------------------------------------------------------------


def test_minutes_lead_to_changes_that_the_form_takes(
    signed_in: Client, base_model: BaseModel, beds: Dataset
) -> None:
    make_measured_worker(base_model)
    values = typed(beds, num_epochs="100")
    text = page(signed_in.post(FIT, values | {"minutes": "０.５"}))
    [changes] = changes_in(text)
    assert list(changes) == ["training_config.num_epochs"]
    assert "instead of 100" in text
    again = page(signed_in.post(FIT, values | changes | {"minutes": "0.5"}))
    assert "Nothing has to change" in again


def test_too_few_minutes_tell_the_least(
    signed_in: Client, base_model: BaseModel, essays: Dataset
) -> None:
    make_measured_worker(base_model)
    text = page(signed_in.post(FIT, typed(essays) | {"minutes": "0,1"}))
    assert "That is too little time." in text
    assert "The quickest job that still learns something takes" in text


@pytest.mark.parametrize("minutes", ["", "soon", "0", "-1", "9999", "nan", "inf"])
def test_minutes_that_are_none_are_refused_in_a_sentence(
    signed_in: Client, base_model: BaseModel, beds: Dataset, minutes: str
) -> None:
    text = page(signed_in.post(FIT, typed(beds) | {"minutes": minutes}))
    assert "Enter a number of minutes" in text


def test_minutes_need_a_plan(signed_in: Client, base_model: BaseModel, beds: Dataset) -> None:
    text = page(signed_in.post(FIT, typed(beds) | {"minutes": "5", "dataset": ""}))
    assert "Choose a dataset" in text
    assert "No time can be told yet" in page(signed_in.post(FIT, typed(beds) | {"minutes": "5"}))


@pytest.mark.parametrize("address", [ROWS, FIT])
def test_who_is_signed_out_signs_in_first(client: Client, address: str) -> None:
    assert client.post(address).status_code == 302


# --- guess and class ------------------------------------------------------------------------------


def test_a_guess_is_kept_with_the_job_and_not_with_its_repetition(
    signed_in: Client, base_model: BaseModel, beds: Dataset
) -> None:
    response = signed_in.post(NEW, typed(beds, prediction="It will know all the beds."))
    assert response.status_code == 302
    job = TrainingJob.objects.get()
    assert job.prediction == "It will know all the beds."
    assert "prediction" not in job_values(job)


def test_a_job_is_started_with_its_estimate(
    signed_in: Client, base_model: BaseModel, beds: Dataset
) -> None:
    make_measured_worker(base_model)
    signed_in.post(NEW, typed(beds))
    estimate = TrainingJob.objects.get().estimate
    assert estimate["steps"] == 120
    assert estimate["duration_seconds"] > 0


def join(user: User, name: str) -> Cohort:
    cohort = Cohort.objects.create(name=name)
    Membership.objects.create(cohort=cohort, user=user)
    return cohort


def test_a_class_is_asked_for_only_where_there_are_several(
    signed_in: Client, student: User, base_model: BaseModel, beds: Dataset
) -> None:
    join(student, "Biology")
    assert "cohort_id" not in TrainingJobForm(user=student).fields
    chemistry = join(student, "Chemistry")
    assert "Chemistry" in page(signed_in.get(NEW))
    signed_in.post(NEW, typed(beds, cohort_id=str(chemistry.pk)))
    job = TrainingJob.objects.get()
    assert job.cohort == chemistry
    assert job_values(job)["cohort_id"] == str(chemistry.pk)


def test_the_class_of_others_is_no_choice(
    signed_in: Client, student: User, other_student: User, base_model: BaseModel, beds: Dataset
) -> None:
    for name in ("Biology", "Chemistry"):
        join(student, name)
    theirs = join(other_student, "Physics")
    response = signed_in.post(NEW, typed(beds, cohort_id=str(theirs.pk)))
    assert response.status_code == 422
    assert "You are not in this class." in response.content.decode()
    assert not TrainingJob.objects.exists()


# --- the API --------------------------------------------------------------------------------------


def ask(client: Client, dataset: Dataset, query: str = "", **changes: Any) -> Any:
    body = {
        "name": "Beds",
        "model_name": MODEL,
        "dataset_id": str(dataset.pk),
        "training_config": {"num_epochs": 15, "learning_rate": 2e-3},
    }
    return client.post(ESTIMATE + query, body | changes, content_type="application/json")


def test_the_api_tells_what_the_page_tells(
    signed_in: Client, base_model: BaseModel, beds: Dataset
) -> None:
    make_measured_worker(base_model)
    found = ask(signed_in, beds).json()
    assert found["steps"] == 150
    assert found["trainable_parameters"] == 2_442_240
    assert found["duration_seconds"] > 0
    assert found["memory_bytes"] > found["needed_bytes"] > 0
    assert (found["verdict"], found["truncated_examples"], found["advice"]) == ("fits", 0, [])
    assert (found["worker"], found["device_name"], found["fit"]) == ("lab", "Test processor", None)
    assert not TrainingJob.objects.exists()


def test_the_api_offers_mends_advice_and_a_fit(
    signed_in: Client, base_model: BaseModel, essays: Dataset
) -> None:
    make_measured_worker(base_model)
    calibration = make_calibration(available_bytes=1_500_000_000)
    Worker.objects.update(calibration={base_model.digest: calibration})
    training = {
        "max_length": 2048,
        "gradient_checkpointing": "off",
        "batch_size": 64,
        "num_epochs": 50,
    }
    found = ask(signed_in, essays, "?fit_minutes=5", training_config=training).json()
    assert found["verdict"] == "does_not_fit"
    assert found["mends"][0]["changes"] == {"training_config.gradient_checkpointing": "on"}
    assert found["mends"][0]["verdict"] in ("fits", "tight")
    assert "large_batch" in [advice["code"] for advice in found["advice"]]
    assert found["fit"]["is_possible"] in (True, False)
    assert found["fit"]["changes"]


def test_the_api_is_honest_about_what_it_does_not_know(
    signed_in: Client, base_model: BaseModel, beds: Dataset
) -> None:
    found = ask(signed_in, beds, "?fit_minutes=5").json()
    assert found["duration_seconds"] is found["memory_bytes"] is found["fit"] is None
    assert found["verdict"] == "unknown"
    assert "No time can be told yet" in found["untold"]


def test_the_api_refuses_what_could_not_be_started(
    signed_in: Client, other_student: User, base_model: BaseModel, beds: Dataset
) -> None:
    theirs = make_dataset(other_student, name="Secret", records=LONG)
    for response in (
        ask(signed_in, theirs),
        ask(signed_in, beds, training_config={"num_epochs": 0}),
        ask(signed_in, beds, "?fit_minutes=0"),
    ):
        assert response.status_code == 422
    assert ask(Client(), beds).status_code == 401
