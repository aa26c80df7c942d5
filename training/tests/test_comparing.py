"""Jobs side by side: what differs, which is best, and when that can not be told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from training.comparing.curves import comparison_plots
from training.comparing.differences import differences_of
from training.comparing.measurements import measurements_of
from training.comparing.measures import Measure, caution_sentences, measures_of
from training.comparing.plots import MARKER_SHAPES, LineOrder, build_plot
from training.comparing.results import best_of, results_of
from training.models import MetricPoint, TrainingJob
from training.selectors import get_job
from training.tests.factories import (
    make_completed_job,
    make_dataset_version,
    make_failed_job,
    make_running_job,
    make_training_job,
    record_sample,
)
from training.tests.measured_jobs import lora_config, make_measured_job, training_config

pytestmark = pytest.mark.django_db
PAGE, CALL = reverse("training:compare"), "/api/training/compare"


@pytest.fixture
def signed_in(student: User, client_of: Callable[[User], Client]) -> Client:
    return client_of(student)


def ids(*jobs: TrainingJob) -> dict[str, Any]:
    return {"job": [str(job.pk) for job in jobs]}


def row_of(jobs: list[TrainingJob], name: str) -> Measure:
    fresh = [get_job(job.owner, job.pk) for job in jobs]
    return next(row for row in measures_of(results_of(fresh)) if row.name == name)


def words_of(jobs: list[TrainingJob], name: str) -> list[str]:
    return [cell.word for cell in row_of(jobs, name).cells]


def two_jobs(owner: User, **changes: Any) -> list[TrainingJob]:
    version = make_dataset_version(owner)
    worse = make_measured_job(owner, {0: 2.0, 25: 1.4, 75: 1.6}, dataset_version=version)
    better = make_measured_job(
        owner, {0: 2.0, 25: 1.5, 75: 1.1}, dataset_version=version, **changes
    )
    return [worse, better]


# --- results ------------------------------------------------------------------------------------------


def test_held_out_losses_are_told_from_the_base_model_to_the_end(student: User) -> None:
    job = make_measured_job(student, {0: 2.0, 25: 1.4, 75: 1.6})
    [result] = results_of([job])
    assert (result.start, result.best, result.final) == (2.0, 1.4, 1.6)
    assert result.gain == pytest.approx(0.6)


def test_the_gain_is_that_of_the_adapter_that_is_kept(student: User) -> None:
    config = training_config(eval_fraction=0.25, kept_adapter="last")
    job = make_measured_job(student, {0: 2.0, 25: 1.4, 75: 1.6}, training_config=config)
    [result] = results_of([job])
    assert result.gain == pytest.approx(0.4)


def test_the_training_loss_is_the_mean_of_the_last_tenth(student: User) -> None:
    job = make_completed_job(student)
    job.metric_points.filter(step__gt=67).update(loss=1.0)
    job.metric_points.filter(step=75).update(loss=3.0)
    [result] = results_of([job])
    assert result.training_loss == pytest.approx((7 * 1.0 + 3.0) / 8)


def test_a_job_without_any_point_has_no_losses(student: User) -> None:
    [result] = results_of([make_training_job(student)])
    assert (result.start, result.best, result.training_loss, result.gain) == (None,) * 4


def test_the_best_is_marked_among_completed_jobs_only(student: User) -> None:
    jobs = two_jobs(student)
    assert words_of(jobs, "eval_loss_best") == ["", "lowest"]
    assert words_of(jobs, "eval_gain") == ["", "largest"]
    TrainingJob.objects.filter(pk=jobs[1].pk).update(status="cancelled")
    assert words_of(jobs, "eval_loss_best") == ["", ""]


def test_losses_that_read_the_same_are_equally_good() -> None:
    assert best_of([1.2341, 1.2344, 1.5], lambda value: value) == [1.2341, 1.2344]
    assert best_of([1.2341, 1.2344], lambda value: value) == []
    assert best_of([None, 1.2], lambda value: value) == []


@pytest.mark.parametrize(
    "changes",
    [{"max_length": 256}, {"eval_fraction": 0.5}, {"seed": 7}],
)
def test_losses_on_other_held_out_examples_have_no_lowest(
    student: User, changes: dict[str, Any]
) -> None:
    config = training_config(**({"eval_fraction": 0.25} | changes))
    jobs = two_jobs(student, training_config=config)
    assert words_of(jobs, "eval_loss_best") == ["", ""]
    assert any("same held-out examples" in sentence for sentence in caution_sentences(jobs))


def test_the_seed_does_not_matter_where_an_own_dataset_is_measured_on(student: User) -> None:
    unseen = make_dataset_version(student, name="Unseen")
    version = make_dataset_version(student)
    jobs = [
        make_measured_job(
            student,
            {0: 2.0, 75: loss},
            dataset_version=version,
            eval_dataset_version=unseen,
            training_config=training_config(seed=seed),
        )
        for seed, loss in ((1, 1.5), (2, 1.2))
    ]
    assert words_of(jobs, "eval_loss_best") == ["", "lowest"]
    assert caution_sentences(jobs) == []


def test_other_datasets_make_training_losses_incomparable(student: User) -> None:
    jobs = [make_completed_job(student), make_completed_job(student)]
    jobs[0].metric_points.update(loss=0.1)
    assert words_of(jobs, "training_loss") == ["", ""]
    assert any("Training losses" in sentence for sentence in caution_sentences(jobs))


# --- settings -----------------------------------------------------------------------------------------


def test_only_settings_that_differ_are_told(student: User) -> None:
    version = make_dataset_version(student)
    jobs = [
        make_training_job(
            student,
            dataset_version=version,
            lora_config=lora_config(r=rank),
            training_config=training_config(lr_scheduler=schedule),
        )
        for rank, schedule in ((4, "cosine"), (16, "constant"))
    ]
    rows = {row.name: row.values for row in differences_of(jobs)}
    assert rows == {
        "lora_config.r": (4, 16),
        "training_config.lr_scheduler": ("cosine", "constant"),
    }


def test_another_dataset_is_a_difference(student: User) -> None:
    jobs = [
        make_training_job(student, dataset_version=make_dataset_version(student, name=name))
        for name in ("Garden", "Kitchen")
    ]
    [row] = differences_of(jobs)
    assert row.values == ("Garden, version 1", "Kitchen, version 1")


# --- curves -------------------------------------------------------------------------------------------


def test_every_job_has_its_own_marker_and_style(student: User) -> None:
    jobs = two_jobs(student)
    training, held_out = comparison_plots(jobs, ["A", "B"], measurements_of(jobs), "step")
    for plot in (training, held_out):
        first, second = plot.lines
        assert first.shape != second.shape
        assert first.style != second.style
        assert first.markers
    assert len(held_out.lines[0].markers) == 3
    assert "A: first 2.000, last 1.600, lowest 1.400." in held_out.description


def test_markers_of_long_lines_do_not_lie_on_each_other() -> None:
    points = [(float(step), 1.0) for step in range(300)]
    lines = [LineOrder(str(number), number, [points]) for number in range(6)]
    plot = build_plot(name="p", title="", description="", x_label="", lines=lines)
    places = [marker.x for line in plot.lines for marker in line.markers]
    assert len(places) == len(set(places))
    assert len({line.shape for line in plot.lines}) == len(MARKER_SHAPES) == 6


def test_a_gap_interrupts_the_line() -> None:
    line = LineOrder("loss", 0, [[(0, 1), (1, 2)], [(3, 1), (4, 2)]])
    plot = build_plot(name="p", title="", description="", x_label="", lines=[line])
    assert len(plot.lines[0].paths) == 2
    assert len(plot.lines[0].markers) == 4


def test_a_long_job_is_summed_up(student: User) -> None:
    job, _lease = make_running_job(student)
    TrainingJob.objects.filter(pk=job.pk).update(current_step=3000)
    job.refresh_from_db()
    MetricPoint.objects.bulk_create(
        MetricPoint(job=job, step=step, epoch=step / 600, loss=step % 2, recorded_at=job.started_at)
        for step in range(1, 3001)
    )
    stretches = measurements_of([job])[job.pk].stretches
    assert len(stretches) == 300
    assert {stretch.loss for stretch in stretches} == {0.5}
    assert stretches[-1].step == 3000


# --- the page -----------------------------------------------------------------------------------------


def test_two_jobs_stand_side_by_side(signed_in: Client, student: User) -> None:
    version = make_dataset_version(student)
    jobs = [
        make_measured_job(
            student,
            {0: 2.0, 75: loss},
            name=name,
            dataset_version=version,
            training_config=training_config(eval_fraction=0.25, learning_rate=rate),
        )
        for name, loss, rate in (("Slow", 1.5, 1e-4), ("Quick", 1.1, 1e-3))
    ]
    page = signed_in.get(PAGE, ids(*jobs)).content.decode()
    for text in ("Slow", "Quick", "Learning rate", "0.0001", "0.001", "1.100", "0.900 lower"):
        assert text in page
    assert "Batch size" not in page
    assert page.count(reverse("chat:session_new") + "?job=") == 2
    assert 'id="plot-compared-held-out"' in page
    assert "every 5s" not in page


def test_the_diagnosis_is_told_where_there_is_one(signed_in: Client, student: User) -> None:
    jobs = two_jobs(student)
    assert "Diagnosis" not in signed_in.get(PAGE, ids(*jobs)).content.decode()
    TrainingJob.objects.filter(pk=jobs[0].pk).update(diagnosis={"verdict": "memorised"})
    TrainingJob.objects.filter(pk=jobs[1].pk).update(diagnosis={"verdict": "of_the_future"})
    assert [cell.value for cell in row_of(jobs, "verdict").cells] == [
        "The adapter learned by heart",
        "",
    ]
    assert "The adapter learned by heart" in signed_in.get(PAGE, ids(*jobs)).content.decode()


def test_the_page_asks_for_news_while_a_job_is_active(signed_in: Client, student: User) -> None:
    done = make_completed_job(student)
    running, _lease = make_running_job(student, step_count=12)
    page = signed_in.get(PAGE, ids(done, running)).content.decode()
    assert 'hx-trigger="every 5s"' in page
    fragment = signed_in.get(
        PAGE, ids(done, running), headers={"HX-Request": "true", "HX-Target": "comparison"}
    ).content.decode()
    assert "<html" not in fragment
    assert 'id="comparison"' in fragment


@pytest.mark.parametrize("x", ["step", "epoch", "time", "nonsense"])
def test_the_x_axis_is_part_of_the_address(signed_in: Client, student: User, x: str) -> None:
    jobs = two_jobs(student)
    page = signed_in.get(PAGE, ids(*jobs) | {"x": x}).content.decode()
    label = {"epoch": "Epoch", "time": "Seconds of training"}.get(x, "Step")
    assert f'text-anchor="end">{label}</text>' in page


def test_the_same_question_is_answered_by_each(signed_in: Client, student: User) -> None:
    prompts = [["Who?", "Where?"], ["Where?", "Who?"]]
    jobs = []
    for number, asked in enumerate(prompts):
        job, lease = make_running_job(student, step_count=5, sample_prompts=asked)
        place = asked.index("Who?")
        record_sample(lease, step=0, text="nobody", index=place, prompt="Who?")
        record_sample(lease, step=5, text=f"Class {number}", index=place, prompt="Who?")
        jobs.append(job)
    other, _lease = make_running_job(student, step_count=5, sample_prompts=["Alone?"])
    page = signed_in.get(PAGE, ids(*jobs, other)).content.decode()
    assert "Class 0" in page
    assert "Class 1" in page
    assert "nobody" not in page
    assert "This job was not asked this question." in page
    assert "No answer yet." in page
    assert "Alone?" not in page


def test_answers_are_shown_as_text(signed_in: Client, student: User) -> None:
    jobs = []
    for _number in range(2):
        job, lease = make_running_job(student, step_count=5, sample_prompts=["Who?"])
        record_sample(lease, step=5, text="<script>alert(1)</script>")
        jobs.append(job)
    page = signed_in.get(PAGE, ids(*jobs)).content.decode()
    assert "<script>alert" not in page


def test_too_few_jobs_lead_to_a_choice(signed_in: Client, student: User) -> None:
    job = make_training_job(student, name="Lonely")
    empty = signed_in.get(PAGE)
    assert empty.status_code == 200
    assert f'name="job" value="{job.pk}"' in empty.content.decode()
    one = signed_in.get(PAGE, ids(job, job))
    assert one.status_code == 422
    assert "Choose 2 to 6 jobs" in one.content.decode()
    assert f'value="{job.pk}" checked' in one.content.decode()


def test_too_many_jobs_are_refused_with_what_to_do(signed_in: Client, student: User) -> None:
    version = make_dataset_version(student)
    jobs = [make_training_job(student, dataset_version=version) for _number in range(7)]
    response = signed_in.get(PAGE, ids(*jobs))
    assert response.status_code == 422
    assert "7 jobs are too many" in response.content.decode()


def test_the_job_of_somebody_else_is_not_there(
    signed_in: Client, student: User, other_student: User
) -> None:
    own, theirs = make_training_job(student), make_training_job(other_student)
    for address in (PAGE, CALL):
        assert signed_in.get(address, ids(own, theirs)).status_code == 404
        assert signed_in.get(address, {"job": [own.pk, uuid4()]}).status_code == 404
    assert signed_in.get(PAGE, {"job": [own.pk, "nonsense"]}).status_code == 404


def test_who_is_signed_out_signs_in_first(client: Client) -> None:
    assert client.get(PAGE).status_code == 302
    assert client.get(CALL).status_code == 401


def test_the_comparison_costs_the_same_for_two_jobs_and_for_six(
    signed_in: Client, student: User
) -> None:
    version = make_dataset_version(student)
    jobs = []
    for _number in range(6):
        job = make_measured_job(
            student, {0: 2.0, 75: 1.0}, dataset_version=version, sample_prompts=["Who?"]
        )
        jobs.append(job)
    for address in (PAGE, CALL):
        with CaptureQueriesContext(connection) as two:
            assert signed_in.get(address, ids(*jobs[:2])).status_code == 200
        with CaptureQueriesContext(connection) as six:
            assert signed_in.get(address, ids(*jobs)).status_code == 200
        assert len(six) == len(two)


# --- the API call -------------------------------------------------------------------------------------


def test_the_api_tells_the_same(signed_in: Client, student: User) -> None:
    jobs = two_jobs(student, lora_config=lora_config(r=4))
    failed = make_failed_job(student, dataset_version=jobs[0].dataset_version)
    answer = signed_in.get(CALL, ids(*jobs, failed)).json()
    assert [job["status"] for job in answer["jobs"]] == ["completed", "completed", "failed"]
    results = {row["name"]: row for row in answer["results"]}
    assert results["eval_loss_best"]["values"] == [1.4, 1.1, None]
    ranks = next(row for row in answer["differences"] if row["name"] == "lora_config.r")
    assert ranks["values"] == [8, 4, 8]
    alone = signed_in.get(CALL, ids(*jobs)).json()
    best = {row["name"]: row["best"] for row in alone["results"]}
    assert best["eval_loss_best"] == [str(jobs[1].pk)]
    assert alone["cautions"] == []


def test_the_api_refuses_a_wrong_number(signed_in: Client, student: User) -> None:
    response = signed_in.get(CALL, ids(make_training_job(student)))
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "job"
    assert signed_in.get(CALL).status_code == 422
