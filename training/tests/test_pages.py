"""The training pages: allowed, another person's, signed out, bad input, full page and fragment."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from modelhub.lifecycle import report_worker
from modelhub.models import Worker
from training import lifecycle
from training.forms import default_values
from training.fragments import ALL_PIECES
from training.lifecycle import Progress
from training.models import Adapter, TrainingJob
from training.tests.factories import (
    make_base_model,
    make_completed_job,
    make_dataset_version,
    make_failed_job,
    make_running_job,
    make_training_job,
    record_sample,
)

pytestmark = pytest.mark.django_db
LIST, NEW = reverse("training:job_list"), reverse("training:job_new")
SETTINGS, PLAN = reverse("training:job_settings"), reverse("training:job_plan")
HTMX = {"HX-Request": "true", "HX-Target": "job-form"}
Sign = Callable[[User], Client]


@pytest.fixture
def signed_in(student: User, client_of: Sign) -> Client:
    return client_of(student)


def page_of(name: str, job: TrainingJob) -> str:
    return reverse(f"training:job_{name}", args=[job.pk])


def typed(owner: User, **changes: Any) -> dict[str, Any]:
    make_base_model()
    dataset = make_dataset_version(owner).dataset
    values = default_values() | {"name": "Garden", "dataset": str(dataset.pk)}
    return values | {"idempotency_key": "one-click"} | changes


# --- who may see what -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["detail", "live", "cancel", "stop", "resume", "delete", "adapter"]
)
def test_the_job_of_somebody_else_is_not_there(
    signed_in: Client, other_student: User, name: str
) -> None:
    job = make_completed_job(other_student)
    method = signed_in.post if name in ("cancel", "stop", "resume", "delete") else signed_in.get
    assert method(page_of(name, job)).status_code == 404
    assert TrainingJob.objects.filter(pk=job.pk).exists()


@pytest.mark.parametrize("name", ["detail", "live", "cancel", "stop", "delete", "adapter"])
def test_who_is_signed_out_signs_in_first(client: Client, name: str) -> None:
    job = make_training_job()
    response = client.post(page_of(name, job))
    assert response.status_code == 302
    assert response.url.startswith(reverse("account_login"))


@pytest.mark.parametrize("page", [LIST, NEW, SETTINGS, PLAN])
def test_the_pages_without_a_job_need_a_person_too(client: Client, page: str) -> None:
    assert client.get(page).status_code == 302


# --- the list ---------------------------------------------------------------------------------------


def test_the_list_shows_own_jobs_in_every_state(
    signed_in: Client, student: User, other_student: User
) -> None:
    version = make_dataset_version(student)
    make_training_job(student, name="Waits", dataset_version=version)
    make_running_job(student, name="Runs", step_count=20, dataset_version=version)
    make_failed_job(student, name="Fell", dataset_version=version)
    make_training_job(other_student, name="Theirs")
    page = signed_in.get(LIST).content.decode()
    assert all(
        name in page for name in ("Waits", "Runs", "Fell", "Step 20 of 75", "Waiting", "Failed")
    )
    assert "Theirs" not in page
    assert 'hx-trigger="every 5s"' in page


def test_an_empty_list_says_what_to_do_next(signed_in: Client) -> None:
    page = signed_in.get(LIST).content.decode()
    assert "No training job yet" in page
    assert NEW in page
    assert "every 5s" not in page


def test_the_list_costs_the_same_for_one_job_and_for_many(signed_in: Client, student: User) -> None:
    version = make_dataset_version(student)
    make_training_job(student, dataset_version=version)
    with CaptureQueriesContext(
        connection,
    ) as one:
        signed_in.get(LIST)
    for _number in range(21):
        make_running_job(student, step_count=1, dataset_version=version)
    with CaptureQueriesContext(connection) as many:
        page = signed_in.get(LIST).content.decode()
    assert len(many) == len(one)
    assert "Page 1 of 2" in page


def test_the_list_is_polled_as_a_fragment(signed_in: Client) -> None:
    page = signed_in.get(
        LIST, headers={"HX-Request": "true", "HX-Target": "job-list"}
    ).content.decode()
    assert page.strip().startswith('<div id="job-list"')


# --- a new job --------------------------------------------------------------------------------------


def test_without_a_dataset_the_page_leads_to_one(signed_in: Client) -> None:
    page = signed_in.get(NEW).content.decode()
    assert reverse("datasets:dataset_new") in page
    assert "start-button" not in page


def test_the_form_starts_with_the_dataset_of_the_address(signed_in: Client, student: User) -> None:
    make_base_model()
    dataset = make_dataset_version(student, name="Chess club").dataset
    page = signed_in.get(NEW, {"dataset": dataset.pk}).content.decode()
    assert f'value="{dataset.pk}" selected' in page
    assert 'value="Chess club"' in page
    assert "Trainable parameters" in page


def test_the_form_repeats_the_job_of_the_address(signed_in: Client, student: User) -> None:
    job = make_training_job(student, name="Second try", lora_config={"r": 3})
    page = signed_in.get(NEW, {"from": job.pk}).content.decode()
    assert 'value="Second try"' in page
    assert re.search(r'name="lora_config\.r" value="3"', page)


@pytest.mark.parametrize("query", [{"dataset": "nonsense"}, {"from": "nonsense"}, {"from": ""}])
def test_an_address_that_names_nothing_gives_the_plain_form(
    signed_in: Client, student: User, query: dict[str, str]
) -> None:
    make_base_model()
    make_dataset_version(student)
    assert signed_in.get(NEW, query).status_code == 200


def test_a_foreign_dataset_in_the_address_is_not_shown(
    signed_in: Client, student: User, other_student: User
) -> None:
    make_dataset_version(student)
    theirs = make_dataset_version(other_student, name="Secret diary").dataset
    assert "Secret diary" not in signed_in.get(NEW, {"dataset": theirs.pk}).content.decode()


def test_starting_a_job_leads_to_it(signed_in: Client, student: User) -> None:
    response = signed_in.post(NEW, typed(student, **{"lora_config.r": "１２"}))
    job = TrainingJob.objects.get()
    assert (response.status_code, response.url) == (302, page_of("detail", job))
    assert (job.owner, job.lora.r, job.status) == (student, 12, TrainingJob.Status.PENDING)


def test_a_job_is_started_with_all_that_the_form_offers(signed_in: Client, student: User) -> None:
    measured = make_dataset_version(student, name="Unseen")
    values = typed(
        student,
        eval_dataset=str(measured.dataset_id),
        sample_prompts=" Who waters bed 1? \r\n\r\n誰が？",
        **{"lora_config.rank_pattern": "q_proj=16、down_proj=4", "lora_config.bias": "all"},
    )
    assert signed_in.post(NEW, values).status_code == 302
    job = TrainingJob.objects.get()
    assert job.eval_dataset_version == measured
    assert job.sample_prompts == ["Who waters bed 1?", "誰が？"]
    assert job.lora.rank_pattern == {"q_proj": 16, "down_proj": 4}
    assert job.lora.bias == "all"


def test_faults_of_the_measuring_stand_at_their_fields(signed_in: Client, student: User) -> None:
    values = typed(student, sample_prompts="\n".join("abcdef"))
    form = signed_in.post(NEW, values | {"eval_dataset": values["dataset"]}, headers=HTMX)
    page = form.content.decode()
    assert form.status_code == 422
    assert "Ask 5 questions at most" in page
    assert "only measure what was learned by heart" in page
    assert '<details class="disclosure" open>' in page


def test_a_double_click_starts_one_job(signed_in: Client, student: User) -> None:
    values = typed(student)
    first = signed_in.post(NEW, values, headers=HTMX)
    second = signed_in.post(NEW, values, headers=HTMX)
    assert first.headers["HX-Redirect"] == second.headers["HX-Redirect"]
    assert TrainingJob.objects.count() == 1


def test_each_form_carries_a_key_of_its_own(signed_in: Client, student: User) -> None:
    make_dataset_version(student)
    keys = [
        re.findall(r'name="idempotency_key" value="([^"]+)"', signed_in.get(NEW).content.decode())
        for _visit in range(2)
    ]
    assert len(keys[0]) == len(keys[1]) == 1
    assert keys[0] != keys[1]


def test_bad_values_come_back_with_all_their_sentences(signed_in: Client, student: User) -> None:
    values = typed(student, name="", **{"lora_config.r": "nan", "training_config.seed": "-1"})
    response = signed_in.post(NEW, values, headers=HTMX)
    form = response.content.decode()
    assert response.status_code == 422
    assert form.strip().startswith("<form")
    assert form.count('aria-invalid="true"') == 3
    assert '<details class="disclosure" open>' in form
    assert 'value="one-click"' in form
    assert not TrainingJob.objects.exists()


def test_bad_values_without_htmx_give_the_whole_page(signed_in: Client, student: User) -> None:
    response = signed_in.post(NEW, typed(student, name=""))
    assert response.status_code == 422
    assert "<html" in response.content.decode()


def test_a_refusal_of_the_service_stands_above_the_form(
    signed_in: Client, student: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.services.quotas.MAX_ACTIVE_JOBS_PER_PERSON", 0)
    response = signed_in.post(NEW, typed(student), headers=HTMX)
    assert response.status_code == 422
    assert "jobs waiting or running" in response.content.decode()


def test_choosing_a_preset_fills_its_fields_and_keeps_the_others(
    signed_in: Client, student: User
) -> None:
    values = typed(student, group="lora_config", lora_config_preset="maximum")
    response = signed_in.post(SETTINGS, values | {"training_config.num_epochs": "77"})
    page = response.content.decode()
    assert re.search(r'name="lora_config\.r" value="32"', page)
    assert re.search(r'name="training_config\.num_epochs" value="77"', page)
    assert 'id="job-advanced" hx-swap-oob="true"' in page
    assert "settings-changed" in response.headers["HX-Trigger-After-Swap"]


def test_a_preset_of_no_group_is_not_there(signed_in: Client, student: User) -> None:
    assert signed_in.post(SETTINGS, typed(student, group="chat")).status_code == 404


def test_the_plan_follows_the_values(signed_in: Client, student: User) -> None:
    values = typed(
        student, **{"training_config.batch_size": "5", "training_config.num_epochs": "10"}
    )
    page = signed_in.post(PLAN, values).content.decode()
    # Twelve examples in batches of five are three steps; rank 8 on SmolLM2-135M has 2,442,240 parameters.
    assert "3 in each of 10 epochs" in page
    assert "2,442,240" in page
    assert "1.8% of smollm2-135m-instruct" in page


def test_the_plan_counts_the_values_of_single_layers(signed_in: Client, student: User) -> None:
    values = typed(student, **{"lora_config.rank_pattern": "down_proj=1"})
    assert "2,442,240" not in signed_in.post(PLAN, values).content.decode()


def test_the_plan_shows_the_examples_of_the_evaluation_dataset(
    signed_in: Client, student: User
) -> None:
    measured = make_dataset_version(student, name="Unseen").dataset
    page = signed_in.post(PLAN, typed(student, eval_dataset=str(measured.pk))).content.decode()
    assert "and 12 held out" in page


def test_the_plan_tells_what_is_wrong_instead(signed_in: Client, student: User) -> None:
    page = signed_in.post(PLAN, typed(student, **{"lora_config.r": "9999"})).content.decode()
    assert "Enter a value from 1 to 512." in page


def test_the_plan_asks_for_a_dataset(signed_in: Client, student: User) -> None:
    assert "Choose a dataset" in signed_in.post(PLAN, typed(student, dataset="")).content.decode()


# --- a job --------------------------------------------------------------------------------------------


def test_a_waiting_job_is_followed_and_promises_no_end(signed_in: Client, student: User) -> None:
    job = make_training_job(student)
    page = signed_in.get(page_of("detail", job)).content.decode()
    assert "Waiting in the queue." in page
    assert f'ws-connect="/ws/training/{job.pk}?as=html&amp;language=en"' in page
    assert "left</span>" not in page


def test_a_running_job_shows_its_curves_and_its_numbers(signed_in: Client, student: User) -> None:
    job, _lease = make_running_job(student, step_count=60)
    page = signed_in.get(page_of("detail", job)).content.decode()
    assert "Step 60 of 75" in page
    assert 'id="chart-loss"' in page
    assert 'id="chart-learning-rate"' in page
    assert "less than a minute left" in page
    assert "cancel-dialog" in page
    assert "style=" not in page


def test_no_time_is_told_before_steps_flow(signed_in: Client, student: User) -> None:
    job, _lease = make_running_job(student, step_count=2)
    assert "left</span>" not in signed_in.get(page_of("detail", job)).content.decode()


def test_a_completed_job_leads_to_its_adapter(signed_in: Client, student: User) -> None:
    job = make_completed_job(student)
    page = signed_in.get(page_of("detail", job)).content.decode()
    assert page_of("adapter", job) in page
    assert f"{reverse('chat:session_new')}?job={job.pk}" in page
    assert f"{NEW}?from={job.pk}" in page
    assert "ws-connect" not in page


def test_a_failed_job_says_what_to_do(signed_in: Client, student: User) -> None:
    job = make_failed_job(student, code="diverged", params={"step": 12})
    page = signed_in.get(page_of("detail", job)).content.decode()
    assert "The loss became infinite at step 12" in page


def test_the_polled_parts_replace_those_of_the_page(signed_in: Client, student: User) -> None:
    job, _lease = make_running_job(student, step_count=10)
    page = signed_in.get(page_of("detail", job)).content.decode()
    parts = signed_in.get(page_of("live", job)).content.decode()
    names = re.findall(r'id="([\w-]+)"[^>]* hx-swap-oob="true"', parts)
    assert len(names) == len(ALL_PIECES)
    assert all(f'id="{name}"' in page for name in names)


def test_a_running_job_answers_a_cancel_at_once(signed_in: Client, student: User) -> None:
    job, _lease = make_running_job(student, step_count=10)
    parts = signed_in.post(page_of("cancel", job), headers={"HX-Request": "true"}).content.decode()
    assert "Cancelling…" in parts
    job.refresh_from_db()
    assert job.cancel_requested_at is not None


def test_a_job_that_learns_can_be_stopped_and_kept(signed_in: Client, student: User) -> None:
    job, lease = make_running_job(student)
    stop_button = 'popovertarget="stop-dialog">'
    assert stop_button not in signed_in.get(page_of("detail", job)).content.decode()
    lifecycle.record(lease, Progress(fields={"training_started_at": timezone.now()}))
    assert stop_button in signed_in.get(page_of("detail", job)).content.decode()
    parts = signed_in.post(page_of("stop", job), headers={"HX-Request": "true"}).content.decode()
    assert "Stopping…" in parts
    assert "Stopping after this step, keeping the adapter." in parts
    assert stop_button not in parts
    # A cancel is still possible.
    assert 'popovertarget="cancel-dialog">' in parts
    assert "Stopping…" in signed_in.get(LIST).content.decode()


def test_a_stop_without_htmx_leads_back_to_the_job(signed_in: Client, student: User) -> None:
    job = make_training_job(student)
    response = signed_in.post(page_of("stop", job), follow=True)
    assert response.redirect_chain[0][0] == page_of("detail", job)
    assert "Cancel it instead" in response.content.decode()


@pytest.mark.parametrize(
    ("ending", "sentence"),
    [
        (
            {"step": 12, "adapter_step": 12, "stopped_by_request": True},
            "Stopped by request after step 12; the adapter is kept.",
        ),
        (
            {"step": 30, "adapter_step": 20, "stopped_early": True},
            "It is the one of step 20, which had the lowest held-out loss.",
        ),
        ({"step": 75, "adapter_step": 75}, "The adapter is saved. The job is complete."),
    ],
)
def test_the_log_tells_how_the_training_ended(
    signed_in: Client, student: User, ending: dict[str, Any], sentence: str
) -> None:
    job, lease = make_running_job(student, step_count=12)
    adapter = Adapter(job=job, prefix="none", files={}, digest="0" * 64, size_bytes=1)
    lifecycle.complete(lease, adapter=adapter, fields={}, ending=ending)
    page = signed_in.get(page_of("detail", job)).content.decode()
    assert sentence in page
    assert page.count("It is the one of step") == (ending["adapter_step"] < ending["step"])


def test_a_job_shows_the_newest_answer_and_folds_the_earlier_ones(
    signed_in: Client, student: User
) -> None:
    job, lease = make_running_job(student, sample_prompts=["Who waters <b>bed 1</b>?"])
    waiting = signed_in.get(page_of("detail", job)).content.decode()
    assert "The base model answers first" in waiting
    for step, text in ((0, "Nobody."), (5, "<script>1</script>"), (10, "Class 1B.")):
        record_sample(lease, step=step, text=text)
    page = signed_in.get(page_of("live", job)).content.decode()
    newest, earlier = page.split("1 earlier answer<")
    assert "Who waters &lt;b&gt;bed 1&lt;/b&gt;?" in newest
    # The base model's answer stands beside the newest one, and what changed since the one before.
    assert newest.index("Nobody.") < newest.index("Class 1B.")
    assert "Changed since step 5" in newest
    assert "&lt;script&gt;1" in earlier
    assert "After step 5" in earlier


def test_the_words_that_changed_are_marked_and_named(signed_in: Client, student: User) -> None:
    job, lease = make_running_job(student, sample_prompts=["Who?"])
    for step, text in ((5, "Class 2B waters <it>."), (10, "Class 1B waters <it>.")):
        record_sample(lease, step=step, text=text)
    page = signed_in.get(page_of("live", job)).content.decode()
    assert '<del><span class="visually-hidden">[removed:</span>2B' in page
    assert '<ins><span class="visually-hidden">[added:</span>1B' in page
    assert "waters &lt;it&gt;." in page


def test_a_job_that_stopped_early_shows_its_real_share(signed_in: Client, student: User) -> None:
    job, lease = make_running_job(student, step_count=12)
    adapter = Adapter(job=job, prefix="none", files={}, digest="0" * 64, size_bytes=1)
    lifecycle.complete(lease, adapter=adapter, fields={}, ending={"step": 12, "adapter_step": 12})
    page = signed_in.get(page_of("detail", job)).content.decode()
    assert "Stopped at step 12 of 75" in page
    assert 'value="0.16"' in page
    assert (
        "Stopped at"
        not in signed_in.get(page_of("detail", make_completed_job(student))).content.decode()
    )


# --- how it is looked at ----------------------------------------------------------------------------


def test_page_poll_and_socket_draw_the_axes_of_the_address(
    signed_in: Client, student: User
) -> None:
    job, _lease = make_running_job(student, step_count=10)
    page = signed_in.get(page_of("detail", job), {"x": "time", "y": "log"}).content.decode()
    assert ">Seconds of training</text>" in page
    assert (
        f'ws-connect="/ws/training/{job.pk}?as=html&amp;language=en&amp;x=time&amp;y=log"' in page
    )
    assert f'hx-get="{page_of("live", job)}?x=time&amp;y=log"' in page
    assert 'href="?x=epoch&amp;y=log#curves"' in page
    assert re.search(r'href="\?x=time&amp;y=log#curves" aria-current="true">Time<', page)
    for answer in (
        signed_in.get(page_of("live", job), {"x": "time"}),
        signed_in.post(page_of("stop", job) + "?x=time", headers={"HX-Request": "true"}),
    ):
        assert ">Seconds of training</text>" in answer.content.decode()


def test_the_projector_shows_the_job_without_its_owner(signed_in: Client, student: User) -> None:
    job, _lease = make_running_job(student, step_count=60)
    page = signed_in.get(page_of("detail", job), {"view": "projector"}).content.decode()
    assert job.name in page
    assert "chart-loss" in page
    assert student.username not in page
    assert f'ws-connect="/ws/training/{job.pk}?as=html&amp;language=en&amp;view=projector"' in page
    assert 'href="?"' in page
    parts = signed_in.get(page_of("live", job), {"view": "projector"}).content.decode()
    names = re.findall(r'id="([\w-]+)"[^>]* hx-swap-oob="true"', parts)
    assert names == ["job-stage", "job-projector"]
    assert all(f'id="{name}"' in page for name in names)


# --- going on ---------------------------------------------------------------------------------------


def test_a_failed_job_is_resumed(signed_in: Client, student: User) -> None:
    job = make_failed_job(student, code="worker_lost")
    assert 'form="resume-form"' in signed_in.get(page_of("detail", job)).content.decode()
    assert signed_in.post(page_of("resume", job)).url == page_of("detail", job)
    job.refresh_from_db()
    assert job.status == TrainingJob.Status.PENDING
    page = signed_in.get(page_of("detail", job)).content.decode()
    assert "The job was resumed; it waits for the next free device." in page
    assert "ws-connect" in page


def test_a_job_that_can_not_be_resumed_says_why(signed_in: Client, student: User) -> None:
    job = make_failed_job(student, code="diverged", params={"step": 12})
    assert 'form="resume-form"' not in signed_in.get(page_of("detail", job)).content.decode()
    response = signed_in.post(page_of("resume", job), follow=True)
    assert "end in the same way" in response.content.decode()
    job.refresh_from_db()
    assert job.status == TrainingJob.Status.FAILED


def test_a_cancelled_job_promises_what_is_true(signed_in: Client, student: User) -> None:
    job, lease = make_running_job(student, step_count=12)
    assert (
        "the last checkpoint for 24 hours" in signed_in.get(page_of("detail", job)).content.decode()
    )
    lifecycle.finish_cancelled(lease)
    page = signed_in.get(page_of("detail", job)).content.decode()
    assert "there is no checkpoint, so it begins anew" in page


def test_a_job_without_questions_shows_no_samples(signed_in: Client, student: User) -> None:
    page = signed_in.get(page_of("detail", make_training_job(student))).content.decode()
    assert "Sample answers" not in page


def test_a_job_shows_all_its_settings_in_words(signed_in: Client, student: User) -> None:
    measured = make_dataset_version(student, name="Unseen")
    config = {"rank_pattern": {"q_proj": 16}, "bias": "lora_only", "variant": "rslora"}
    job = make_training_job(student, lora_config=config, eval_dataset_version=measured)
    page = signed_in.get(page_of("detail", job)).content.decode()
    for words in ("q_proj=16", "Those of the target layers", "rsLoRA", "Unseen", "Adafactor"):
        assert (f"<dd>{words}</dd>" in page) == (words != "Adafactor")


def test_a_packed_job_says_what_it_waits_for(signed_in: Client, student: User) -> None:
    job = make_training_job(student, lora_config={"variant": "qlora"})
    sentence = "Waiting for a worker with an NVIDIA GPU, which QLoRA needs."
    assert sentence in signed_in.get(page_of("detail", job)).content.decode()
    report_worker("tower", Worker.State.BUSY, device="cuda")
    assert sentence not in signed_in.get(page_of("detail", job)).content.decode()


def test_a_waiting_job_is_cancelled_without_htmx_too(signed_in: Client, student: User) -> None:
    job = make_training_job(student)
    assert signed_in.post(page_of("cancel", job)).url == page_of("detail", job)
    job.refresh_from_db()
    assert job.status == TrainingJob.Status.CANCELLED


def test_a_job_that_is_over_is_not_cancelled(signed_in: Client, student: User) -> None:
    job = make_completed_job(student)
    response = signed_in.post(page_of("cancel", job), headers={"HX-Request": "true"})
    assert "over already" in response.headers["HX-Trigger"]
    job.refresh_from_db()
    assert job.status == TrainingJob.Status.COMPLETED


def test_a_job_is_deleted_after_a_question(signed_in: Client, student: User) -> None:
    job = make_completed_job(student)
    assert "Delete" in signed_in.get(page_of("delete", job)).content.decode()
    assert TrainingJob.objects.filter(pk=job.pk).exists()
    assert signed_in.post(page_of("delete", job)).url == LIST
    assert not TrainingJob.objects.filter(pk=job.pk).exists()


def test_a_running_job_is_not_deleted(signed_in: Client, student: User) -> None:
    job, _lease = make_running_job(student)
    response = signed_in.post(page_of("delete", job), follow=True)
    assert "Cancel it first" in response.content.decode()
    assert TrainingJob.objects.filter(pk=job.pk).exists()


def test_the_adapter_is_a_zip_named_after_the_job(signed_in: Client, student: User) -> None:
    job = make_completed_job(student, name="図書館 2B")
    response = signed_in.get(page_of("adapter", job))
    archive = zipfile.ZipFile(io.BytesIO(b"".join(response)))
    assert sorted(archive.namelist()) == ["adapter_config.json", "adapter_model.safetensors"]
    assert "attachment" in response.headers["Content-Disposition"]
    assert "-2b-adapter.zip" in response.headers["Content-Disposition"]


def test_a_job_without_an_adapter_says_so(signed_in: Client, student: User) -> None:
    response = signed_in.get(page_of("adapter", make_training_job(student)), follow=True)
    assert "has no adapter yet" in response.content.decode()


def test_the_next_experiment_arrives_in_the_form(signed_in: Client, student: User) -> None:
    job = make_completed_job(student)
    address = f"{NEW}?from={job.pk}&training_config.learning_rate=0.0123&lora_config.r=nonsense"
    page = signed_in.get(address).content.decode()
    assert 'value="0.0123"' in page
    assert 'value="nonsense"' not in page
