"""The pages of sweeps, and their API calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from llmlora_site.home import Home
from training.models import Sweep, TrainingJob
from training.services.quotas import MAX_ACTIVE_JOBS_PER_PERSON
from training.services.sweeping import plan_sweep
from training.templatetags.training_tags import duration_words
from training.tests.factories import (
    make_completed_job,
    make_dataset_version,
    make_failed_job,
    make_running_job,
    make_training_job,
)
from training.tests.measured_jobs import (
    lora_config,
    make_measured_job,
    make_sweep,
    training_config,
)
from training.tests.preflight_factories import make_measured_model, make_measured_worker
from training.views.sweep_form import SweepForm

pytestmark = pytest.mark.django_db
LIST, NEW, PLAN = (
    reverse("training:sweep_list"),
    reverse("training:sweep_new"),
    reverse("training:sweep_plan"),
)
CALLS = "/api/training/sweeps"
RATE = "training_config.learning_rate"
RATES = {"name": RATE, "values": [1e-4, 1e-3]}
RANKS = {"name": "lora_config.r", "values": [4, 16]}


@pytest.fixture
def signed_in(student: User, client_of: Callable[[User], Client]) -> Client:
    return client_of(student)


@pytest.fixture
def source(student: User) -> TrainingJob:
    return make_completed_job(student, name="Garden")


def page_of(name: str, sweep: Sweep) -> str:
    return reverse(f"training:sweep_{name}", args=[sweep.pk])


def at(address: str, source: TrainingJob) -> str:
    return f"{address}?from={source.pk}"


def typed(**changes: str) -> dict[str, str]:
    return {
        "idempotency_key": "one-click",
        "name": "Rates",
        "axis_1": RATE,
        "values_1": "0.0001, 0.001",
        "axis_2": "",
        "values_2": "",
    } | changes


def rate_sweep(owner: User, losses: dict[float, float]) -> Sweep:
    version = make_dataset_version(owner)
    jobs = [
        make_measured_job(
            owner,
            {0: 2.0, 75: loss},
            dataset_version=version,
            training_config=training_config(learning_rate=rate, eval_fraction=0.25),
        )
        for rate, loss in losses.items()
    ]
    return make_sweep(owner, [{"name": RATE, "values": list(losses)}], jobs)


# --- who may see what ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["detail", "cancel", "delete"])
def test_the_sweep_of_somebody_else_is_not_there(
    signed_in: Client, other_student: User, name: str
) -> None:
    sweep = make_sweep(other_student, [RATES], [make_training_job(other_student)])
    method = signed_in.get if name == "detail" else signed_in.post
    assert method(page_of(name, sweep)).status_code == 404
    assert Sweep.objects.filter(pk=sweep.pk).exists()
    assert signed_in.get(f"{CALLS}/{sweep.pk}").status_code == 404
    assert signed_in.post(f"{CALLS}/{sweep.pk}/cancel").status_code == 404
    assert signed_in.delete(f"{CALLS}/{sweep.pk}").status_code == 404
    assert signed_in.get(CALLS).json()["count"] == 0


@pytest.mark.parametrize("address", [LIST, NEW, PLAN])
def test_who_is_signed_out_signs_in_first(client: Client, address: str) -> None:
    assert client.get(address).status_code == 302
    assert client.get(CALLS).status_code == 401


@pytest.mark.parametrize("address", [NEW, PLAN])
def test_the_job_of_somebody_else_is_no_start(
    signed_in: Client, other_student: User, address: str
) -> None:
    theirs = make_training_job(other_student)
    assert signed_in.post(at(address, theirs), typed()).status_code == 404
    assert signed_in.post(f"{address}?from=nonsense", typed()).status_code == 404


# --- a new sweep --------------------------------------------------------------------------------------


def test_without_a_job_the_page_offers_the_own_ones(
    signed_in: Client, source: TrainingJob, other_student: User
) -> None:
    make_training_job(other_student, name="Theirs")
    page = signed_in.get(NEW).content.decode()
    assert at(NEW, source) in page
    assert "Theirs" not in page


def test_without_any_job_the_page_leads_to_one(signed_in: Client) -> None:
    assert "First, a single job" in signed_in.get(NEW).content.decode()


def test_the_form_proposes_rates_around_that_of_the_job(
    signed_in: Client, source: TrainingJob
) -> None:
    page = signed_in.get(at(NEW, source)).content.decode()
    assert 'value="0.0003, 0.001, 0.003"' in page
    assert "Possible: 1e-6 to 0.1. The job has 0.001." in page
    assert '<option value="lora_config.r">' in page
    assert "lora_config.target_modules" not in page


def test_the_form_starts_all_jobs_once(signed_in: Client, source: TrainingJob) -> None:
    first = signed_in.post(at(NEW, source), typed())
    sweep = Sweep.objects.get()
    assert first.url == page_of("detail", sweep)
    assert signed_in.post(at(NEW, source), typed()).url == first.url
    assert sweep.jobs.count() == 2


@pytest.mark.parametrize(
    "values", ["0.0001、0.001", "０．０００１，１ｅ－３", "1e-4 1e-3", " 0.0001 ;0.001; "]
)
def test_values_may_be_typed_as_people_type(
    signed_in: Client, source: TrainingJob, values: str
) -> None:
    signed_in.post(at(NEW, source), typed(values_1=values))
    assert Sweep.objects.get().axes == [RATES]


@pytest.mark.parametrize("values", ["Soft curve, straight LINE", "cosine、linear"])
def test_choices_may_be_named_by_their_words(
    signed_in: Client, source: TrainingJob, values: str
) -> None:
    name = "training_config.lr_scheduler"
    signed_in.post(at(NEW, source), typed(axis_1=name, values_1=values))
    assert Sweep.objects.get().axes == [{"name": name, "values": ["cosine", "linear"]}]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"values_1": "0.0001, 0.5"}, "0.5 can not be used. Enter a value from 1e-06 to 0.1."),
        ({"values_1": "0.001, 0.001"}, "stands there twice"),
        ({"values_1": "0.001"}, "at least two values"),
        ({"values_1": "0.001, abc"}, "abc can not be used. Enter a number."),
        ({"axis_1": "", "values_1": ""}, "Choose a setting to vary."),
        ({"axis_2": RATE, "values_2": "0.01, 0.02"}, "Both lists vary the same setting"),
        ({"values_2": "1, 2"}, "Choose the setting that these values belong to."),
        ({"axis_2": "lora_config.r", "values_2": "1,2,3,4,5,6,7"}, "make 14 jobs"),
        ({"name": " "}, "Give the sweep a name"),
        ({"axis_1": "lora_config.mood"}, "not one of the available choices"),
    ],
)
def test_bad_input_starts_nothing_and_says_why(
    signed_in: Client, source: TrainingJob, changes: dict[str, str], sentence: str
) -> None:
    response = signed_in.post(at(NEW, source), typed(**changes))
    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert not Sweep.objects.exists()
    plan = signed_in.post(at(PLAN, source), typed(**changes)).content.decode()
    assert sentence in plan


def test_the_plan_shows_every_job_and_the_hint_of_the_setting(
    signed_in: Client, source: TrainingJob
) -> None:
    page = signed_in.post(
        at(PLAN, source), typed(axis_2="lora_config.r", values_2="4, 16")
    ).content.decode()
    assert page.count('<th class="is-number" scope="row">') == 4
    assert 'id="sweep-hint-2" hx-swap-oob="true"' in page
    assert "Possible: 1 to 512. The job has 8." in page
    assert not Sweep.objects.exists()


def test_the_plan_sums_up_what_the_jobs_will_take(
    signed_in: Client, student: User, settings: LazySettings, new_home: Home
) -> None:
    # An estimate counts tokens, so the base model has to stand on this host.
    settings.LLMLORA_HOME = new_home
    base_model = make_measured_model(new_home.local_models)
    source = make_completed_job(student, name="Garden", base_model=base_model)
    unknown = signed_in.post(at(PLAN, source), typed()).content.decode()
    assert "Not known before the first job has run." in unknown
    make_measured_worker(source.base_model)
    epochs = typed(axis_1="training_config.num_epochs", values_1="10, 40")
    order = SweepForm(epochs, source=source)
    assert order.is_valid()
    plan = plan_sweep(source.owner, order.order())
    short, long = plan.estimated_seconds()
    assert short < long
    page = signed_in.post(at(PLAN, source), epochs).content.decode()
    assert f'<dd class="stat__value">{duration_words(short + long)}</dd>' in page
    assert "An estimate" in page


def test_the_plan_tells_a_full_queue_before_the_start(
    signed_in: Client, student: User, source: TrainingJob
) -> None:
    for _number in range(MAX_ACTIVE_JOBS_PER_PERSON - 1):
        make_training_job(student, dataset_version=source.dataset_version)
    assert "room for 1 more" in signed_in.post(at(PLAN, source), typed()).content.decode()
    response = signed_in.post(at(NEW, source), typed())
    assert response.status_code == 422
    assert "room for 1 more" in response.content.decode()
    assert not Sweep.objects.exists()


def test_the_plan_says_that_the_dataset_has_changed(
    signed_in: Client, student: User, source: TrainingJob
) -> None:
    version = source.dataset_version
    newer = type(version)(
        **{
            field.attname: getattr(version, field.attname)
            for field in version._meta.concrete_fields
            if field.attname not in ("id", "number", "created_at")
        },
        number=2,
    )
    newer.save()
    page = signed_in.post(at(PLAN, source), typed()).content.decode()
    assert "A dataset has changed since this job" in page


# --- a sweep ------------------------------------------------------------------------------------------


def test_a_finished_sweep_names_the_best(signed_in: Client, student: User) -> None:
    sweep = rate_sweep(student, {1e-4: 1.9, 1e-3: 1.2, 1e-2: 1.6})
    page = signed_in.get(page_of("detail", sweep)).content.decode()
    assert "<strong>Learning rate 0.001</strong></a>" in page
    assert "Held-out loss 1.200, the lowest of the completed jobs." in page
    assert "All jobs are over." in page
    assert "every 5s" not in page
    assert "cancel-dialog" not in page
    assert page.count(f"{reverse('training:compare')}?job=") == 1
    assert all(reverse("training:job_detail", args=[job.pk]) in page for job in sweep.jobs.all())


def test_equal_losses_have_no_best_and_the_page_says_so(signed_in: Client, student: User) -> None:
    sweep = rate_sweep(student, {1e-4: 1.2001, 1e-3: 1.2002})
    page = signed_in.get(page_of("detail", sweep)).content.decode()
    assert "no value is better than another" in page
    assert "is-best" not in page


def test_a_sweep_that_runs_is_asked_for_news(signed_in: Client, student: User) -> None:
    running, _lease = make_running_job(
        student, step_count=30, training_config=training_config(learning_rate=1e-4)
    )
    failed = make_failed_job(
        student,
        dataset_version=running.dataset_version,
        training_config=training_config(learning_rate=1e-3),
    )
    sweep = make_sweep(student, [RATES], [running, failed])
    page = signed_in.get(page_of("detail", sweep)).content.decode()
    for text in ("every 5s", "1 of 2 jobs are over.", "Step 30 of 75", "Failed", "cancel-dialog"):
        assert text in page
    fragment = signed_in.get(
        page_of("detail", sweep), headers={"HX-Request": "true", "HX-Target": "sweep-live"}
    ).content.decode()
    assert "<html" not in fragment
    assert 'id="sweep-live"' in fragment


def test_two_settings_have_a_table_of_both(signed_in: Client, student: User) -> None:
    version = make_dataset_version(student)
    jobs = [
        make_measured_job(
            student,
            {0: 2.0, 75: loss},
            dataset_version=version,
            training_config=training_config(learning_rate=rate, eval_fraction=0.25),
            lora_config=lora_config(r=rank),
        )
        for rate, rank, loss in ((1e-4, 4, 1.9), (1e-4, 16, 1.7), (1e-3, 4, 1.3))
    ]
    page = signed_in.get(page_of("detail", make_sweep(student, [RATES, RANKS], jobs)))
    text = page.content.decode()
    assert "Held-out loss by both settings" in text
    assert text.count('class="is-number heat ') == 4
    assert "heat--1" in text
    assert "This job was deleted." in text


def test_a_sweep_whose_jobs_are_gone_says_so(signed_in: Client, student: User) -> None:
    sweep = make_sweep(student, [RATES], [])
    assert (
        "All jobs of this sweep were deleted."
        in signed_in.get(page_of("detail", sweep)).content.decode()
    )


def test_cancelling_ends_the_jobs(signed_in: Client, student: User) -> None:
    job = make_training_job(student)
    sweep = make_sweep(student, [RATES], [job])
    page = signed_in.post(page_of("cancel", sweep), follow=True).content.decode()
    assert "1 job was cancelled." in page
    job.refresh_from_db()
    assert job.status == "cancelled"
    again = signed_in.post(page_of("cancel", sweep), follow=True).content.decode()
    assert "nothing to cancel" in again


def test_deleting_asks_first_and_keeps_the_jobs(signed_in: Client, student: User) -> None:
    job = make_training_job(student)
    sweep = make_sweep(student, [RATES], [job])
    assert "The jobs stay" in signed_in.get(page_of("delete", sweep)).content.decode()
    page = signed_in.post(page_of("delete", sweep), follow=True).content.decode()
    assert "Its jobs are still there." in page
    job.refresh_from_db()
    assert job.sweep is None


def test_the_list_shows_own_sweeps_with_their_counts(
    signed_in: Client, student: User, other_student: User
) -> None:
    assert "No sweep yet" in signed_in.get(LIST).content.decode()
    make_sweep(student, [RATES], [make_completed_job(student), make_failed_job(student)])
    theirs = make_sweep(other_student, [RATES], [])
    page = signed_in.get(LIST).content.decode()
    assert "1 of 2 jobs completed" in page
    assert "1 failed" in page
    assert page_of("detail", theirs) not in page


def test_pages_and_calls_cost_the_same_for_few_jobs_and_for_many(
    signed_in: Client, student: User
) -> None:
    few = rate_sweep(student, {1e-4: 1.9, 1e-3: 1.2})
    many = rate_sweep(student, {rate / 1e4: 1.9 - rate / 100 for rate in range(1, 13)})
    for address in ("/training/sweeps/{}/", CALLS + "/{}"):
        counts = []
        for sweep in (few, many):
            with CaptureQueriesContext(connection) as queries:
                assert signed_in.get(address.format(sweep.pk)).status_code == 200
            counts.append(len(queries))
        assert counts[0] == counts[1]


def test_the_list_costs_the_same_for_one_sweep_and_for_many(
    signed_in: Client, student: User
) -> None:
    make_sweep(student, [RATES], [make_training_job(student)])
    for address in (LIST, CALLS):
        with CaptureQueriesContext(connection) as one:
            signed_in.get(address)
        for _number in range(3):
            make_sweep(student, [RATES], [make_training_job(student)])
        with CaptureQueriesContext(connection) as many:
            signed_in.get(address)
        assert len(many) == len(one)


# --- the API calls ------------------------------------------------------------------------------------


def body(source: TrainingJob, **changes: Any) -> dict[str, Any]:
    return {"name": "Rates", "from_job_id": str(source.pk), "axes": [RATES]} | changes


def post(client: Client, values: Any, **headers: str) -> Any:
    return client.post(CALLS, values, content_type="application/json", headers=headers)


def test_the_api_starts_a_sweep_once(signed_in: Client, source: TrainingJob) -> None:
    key = {"Idempotency-Key": "once"}
    made = post(signed_in, body(source), **key)
    assert made.status_code == 201
    answer = made.json()
    assert [job["values"] for job in answer["jobs"]] == [[1e-4], [1e-3]]
    assert {job["status"] for job in answer["jobs"]} == {"pending"}
    assert answer["axes"] == [RATES]
    assert answer["counts"]["pending"] == 2
    assert post(signed_in, body(source), **key).json()["id"] == answer["id"]
    assert signed_in.get(f"{CALLS}/{answer['id']}").json() == answer
    [summary] = signed_in.get(CALLS).json()["items"]
    assert summary["counts"] == answer["counts"]


def test_the_api_names_the_faults_by_field(signed_in: Client, source: TrainingJob) -> None:
    wrong = body(
        source,
        name="",
        axes=[{"name": RATE, "values": [0.5, 0.001]}, {"name": "mood", "values": [1, 2]}],
    )
    response = post(signed_in, wrong)
    assert response.status_code == 422
    assert [fault["field"] for fault in response.json()["errors"]] == [
        "name",
        "axes.0.values",
        "axes.1.name",
    ]
    unknown = post(signed_in, body(source, from_job_id=str(uuid4())))
    assert unknown.status_code == 422
    assert unknown.json()["errors"][0]["field"] == "from_job_id"
    assert not Sweep.objects.exists()


@pytest.mark.parametrize("values", [[True, False], [{}, []], [None, 1e-3], ["0.1", 0.01]])
def test_the_api_takes_numbers_only_where_numbers_belong(
    signed_in: Client, source: TrainingJob, values: list[Any]
) -> None:
    response = post(signed_in, body(source, axes=[{"name": RATE, "values": values}]))
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "axes.0.values"


def test_the_api_cancels_and_deletes(signed_in: Client, source: TrainingJob) -> None:
    sweep_id = post(signed_in, body(source)).json()["id"]
    cancelled = signed_in.post(f"{CALLS}/{sweep_id}/cancel")
    assert cancelled.status_code == 202
    assert cancelled.json()["counts"]["cancelled"] == 2
    assert signed_in.post(f"{CALLS}/{sweep_id}/cancel").status_code == 409
    assert signed_in.delete(f"{CALLS}/{sweep_id}").status_code == 204
    assert TrainingJob.objects.filter(sweep=None).count() == 3


def test_the_api_tells_which_is_best(signed_in: Client, student: User) -> None:
    sweep = rate_sweep(student, {1e-4: 1.9, 1e-3: 1.2})
    answer = signed_in.get(f"{CALLS}/{sweep.pk}").json()
    assert (answer["metric"], answer["is_comparable"]) == ("eval_loss", True)
    assert [(job["eval_loss"], job["is_best"]) for job in answer["jobs"]] == [
        (1.9, False),
        (1.2, True),
    ]
    assert answer["jobs"][1]["gain"] == pytest.approx(0.8)
