"""A job's curves: what is drawn, over which axis, as a table and as files; long jobs; and who may have them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from xml.etree import ElementTree

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from training.curves.clock import Moment, TrainingClock
from training.curves.drawing import job_charts
from training.curves.export import COLUMNS, curve_points
from training.curves.reading import EXACT_POINTS, read_measurements
from training.curves.table import MAX_TABLE_ROWS, curve_table
from training.curves.view import CurveView
from training.models import MetricPoint, TrainingJob
from training.tests.factories import make_completed_job, make_running_job

pytestmark = pytest.mark.django_db
Sign = Callable[[User], Client]


def make_measured_job(
    owner: User,
    losses: dict[int, float],
    *,
    held_out: dict[int, float] | None = None,
    pace: float = 1.0,
    grad_norms: Callable[[int], float] = lambda _step: 1.0,
    **fields: Any,
) -> TrainingJob:
    """A job that trains, with these losses by step; step 0 is the untouched base model."""
    job, _lease = make_running_job(owner)
    held_out = held_out or {}
    started = timezone.now() - timedelta(hours=1)
    MetricPoint.objects.bulk_create(
        MetricPoint(
            job=job,
            step=step,
            epoch=step / 15,
            loss=losses.get(step),
            learning_rate=1e-3 / step if step else None,
            eval_loss=held_out.get(step),
            grad_norm=grad_norms(step) if step else None,
            tokens_per_second=200.0 if step else None,
            recorded_at=started + timedelta(seconds=step * pace),
        )
        for step in sorted({*losses, *held_out})
    )
    fields = {
        "stage": TrainingJob.Stage.TRAINING,
        "current_step": max(losses, default=0),
        "training_started_at": started,
        "baseline_loss": held_out.get(0),
    } | fields
    TrainingJob.objects.filter(pk=job.pk).update(**fields)
    job.refresh_from_db()
    return job


def falling(count: int) -> dict[int, float]:
    return {step: 2 / step for step in range(1, count + 1)}


def charts_of(job: TrainingJob, **view: Any) -> dict[str, Any]:
    charts = job_charts(job, read_measurements(job), CurveView(**view))
    return {chart.name: chart for chart in charts}


# --- what is drawn ------------------------------------------------------------------------------------


def test_every_measured_thing_has_its_chart(student: User) -> None:
    job = make_measured_job(student, falling(20), held_out={0: 3.0, 10: 1.0, 20: 1.5})
    charts = charts_of(job)
    assert list(charts) == ["loss", "learning-rate", "grad-norm", "speed"]
    loss = charts["loss"]
    assert [line.style for line in loss.lines] == ["raw", "main", "held-out"]
    assert [entry.value for entry in loss.references] == [3.0]
    assert [(mark.label, mark.point) for mark in loss.marks] == [("Best: step 10", (10, 1.0))]
    assert "lowest 1.000 at step 10" in loss.description
    assert "The untouched base model has a held-out loss of 3.000." in loss.description


def test_a_job_without_points_has_no_charts(student: User) -> None:
    job, _lease = make_running_job(student)
    assert charts_of(job) == {}


def test_the_base_model_alone_is_not_called_the_best_step(student: User) -> None:
    job = make_measured_job(student, falling(3), held_out={0: 3.0})
    assert charts_of(job)["loss"].marks == ()


def test_a_job_that_runs_leaves_room_for_the_steps_to_come(student: User) -> None:
    job = make_measured_job(student, falling(10), total_steps=100)
    assert charts_of(job)["loss"].x_ticks[-1].label == "100"
    TrainingJob.objects.filter(pk=job.pk).update(status="cancelled", lease_token=None)
    job.refresh_from_db()
    assert charts_of(job)["loss"].x_ticks[-1].label == "10"


def test_a_spike_does_not_flatten_the_chart_and_is_counted(student: User) -> None:
    job = make_measured_job(student, falling(40) | {30: 5000.0, 31: 900.0})
    loss = charts_of(job)["loss"]
    assert loss.notes == ("2 points lie above 2, the highest at 5000; arrows mark them.",)
    assert loss.y_ticks[-1].label == "2"
    assert len(loss.outliers) == 2
    everything = charts_of(job, y="log")["loss"]
    assert (everything.notes, everything.y_label) == ((), "Height: logarithmic")


def test_gradients_of_very_different_size_have_a_logarithmic_axis(student: User) -> None:
    alike = make_measured_job(student, falling(10))
    apart = make_measured_job(student, falling(10), grad_norms=lambda step: 10.0**-step)
    assert charts_of(alike)["grad-norm"].y_label == ""
    assert charts_of(apart)["grad-norm"].y_label == "Height: logarithmic"


# --- over what ----------------------------------------------------------------------------------------


def test_curves_are_drawn_over_epochs_and_over_time_too(student: User) -> None:
    job = make_measured_job(student, falling(30), pace=10.0)
    assert charts_of(job, x="epoch")["loss"].x_ticks[-1].label == "4"
    loss = charts_of(job, x="time")["loss"]
    # 75 steps of ten seconds are 12.5 minutes.
    assert (loss.x_label, loss.x_ticks[-1].label) == ("Minutes of training", "10")


def moments(*rows: tuple[int, float, bool]) -> list[Moment]:
    start = datetime(2026, 11, 28, tzinfo=timezone.get_current_timezone())
    return [
        Moment(step, start + timedelta(seconds=at), is_measured) for step, at, is_measured in rows
    ]


def test_time_leaves_out_what_was_no_training() -> None:
    start = moments((0, 0, False))[0].at
    rows = moments(
        (1, 1, False),
        (2, 2, False),
        # Recorded again after an evaluation of 20 seconds, then sample answers of 30.
        (3, 23, True),
        (4, 54, False),
        (5, 55, False),
    )
    clock = TrainingClock(rows, start)
    assert [clock.seconds_at(step) for step in range(6)] == [0, 1, 2, 3, 4, 5]
    assert clock.seconds_at(2.5) == 2.5
    assert clock.seconds_at(10) == 10


def test_steps_that_a_resumed_job_tells_again_take_their_usual_time() -> None:
    rows = moments(
        (1, 900, False), (2, 900, False), (3, 900, False), (4, 902, False), (5, 904, False)
    )
    clock = TrainingClock(rows, rows[0].at, resumed_step=3)
    assert [clock.seconds_at(step) for step in (1, 2, 3, 4, 5)] == [2, 4, 6, 8, 10]


@pytest.mark.parametrize(
    ("query", "view", "parameters"),
    [
        ({}, CurveView(), ""),
        ({"x": "time", "y": "log"}, CurveView("time", "log"), "x=time&y=log"),
        ({"x": "<script>", "y": "", "view": "cinema"}, CurveView(), ""),
        ({"view": "projector"}, CurveView(is_projector=True), "view=projector"),
    ],
)
def test_the_address_says_how_the_curves_are_drawn(
    query: dict[str, str], view: CurveView, parameters: str
) -> None:
    assert CurveView.from_query(query) == view
    assert view.parameters == parameters


# --- long jobs ----------------------------------------------------------------------------------------


def test_a_long_job_is_read_in_few_rows_and_loses_no_spike(student: User) -> None:
    count = EXACT_POINTS + 800
    losses = dict.fromkeys(range(1, count + 1), 1.0) | {777: 2.5, 778: 0.5, 1500: 90.0}
    job = make_measured_job(student, losses, held_out={0: 3.0, 1000: 0.8}, total_steps=count)
    measurements = read_measurements(job)
    assert not measurements.is_exact
    assert len(measurements.stretches) <= 400
    assert measurements.stretches[-1].step == count
    assert measurements.point_count == count + 1
    assert max(stretch.highest for stretch in measurements.stretches) == 90.0
    assert min(stretch.lowest for stretch in measurements.stretches) == 0.5
    loss = charts_of(job)["loss"]
    assert loss.notes == ("1 point lies above 3, at 90; an arrow marks it.",)
    assert loss.marks[0].label == "Best: step 1000"
    assert all(len(line.shares) <= 300 for line in loss.lines)


def test_a_long_table_shows_the_first_the_last_and_every_held_out_measurement(
    student: User,
) -> None:
    job = make_measured_job(student, falling(1000), held_out={0: 3.0, 333: 1.0, 667: 0.9})
    table = curve_table(job, read_measurements(job))
    steps = [row.step for row in table.rows]
    assert len(steps) <= MAX_TABLE_ROWS
    assert {0, 1000, 333, 667} <= set(steps)
    assert steps == sorted(set(steps), reverse=True)
    assert (table.point_count, table.baseline_loss) == (1001, 3.0)


# --- files --------------------------------------------------------------------------------------------


def test_the_csv_file_holds_every_point_as_a_number(student: User, client_of: Sign) -> None:
    job = make_measured_job(student, falling(3), held_out={0: 3.0, 3: 1.25})
    TrainingJob.objects.filter(pk=job.pk).update(name="=cmd|'/c calc'!A1")
    response = client_of(student).get(reverse("training:job_curves_csv", args=[job.pk]))
    content = response.content.decode()
    assert content.startswith("\ufeffstep,epoch,training_seconds,loss,eval_loss,")
    rows = list(csv.DictReader(io.StringIO(content.removeprefix("\ufeff"))))
    assert [row["step"] for row in rows] == ["0", "1", "2", "3"]
    assert [float(row["training_seconds"]) for row in rows] == [0, 1, 2, 3]
    assert (rows[0]["loss"], rows[0]["eval_loss"], rows[3]["eval_loss"]) == ("", "3.0", "1.25")
    # Every digit is kept, and nothing a person typed is in the file.
    assert float(rows[2]["loss"]) == 1.0
    assert float(rows[3]["loss"]) == 2 / 3
    assert "cmd" not in content
    assert "attachment" in response.headers["Content-Disposition"]


def test_the_json_file_and_the_api_give_the_same(student: User, client_of: Sign) -> None:
    job = make_measured_job(student, falling(3), held_out={0: 3.0})
    browser = client_of(student)
    saved = browser.get(reverse("training:job_curves_json", args=[job.pk])).json()
    assert saved["baseline_loss"] == 3.0
    assert saved["points"] == curve_points(job)
    assert tuple(saved["points"][0]) == COLUMNS
    api = f"/api/training/jobs/{job.pk}/curves"
    assert json.loads(browser.get(api).content) == saved
    assert browser.get(api, {"format": "csv"}).content.startswith(b"\xef\xbb\xbfstep,")
    assert browser.get(api, {"format": "xml"}).status_code == 422


def test_a_chart_is_a_whole_svg_file(student: User, client_of: Sign) -> None:
    job = make_measured_job(student, falling(20) | {15: 400.0}, held_out={0: 3.0, 20: 1.0})
    TrainingJob.objects.filter(pk=job.pk).update(name="<b>Garden & co</b>")
    address = reverse("training:job_chart_svg", args=[job.pk, "loss"])
    response = client_of(student).get(address, {"x": "epoch"})
    assert response.headers["Content-Type"] == "image/svg+xml"
    root = ElementTree.fromstring(response.content)
    assert root.attrib["viewBox"] == "0 0 960 540"
    space = "{http://www.w3.org/2000/svg}"
    texts = [element.text or "" for element in root.iter(f"{space}text")]
    assert {"Loss", "Epoch", "Smoothed", "Untouched base model", "Best: step 20"} <= set(texts)
    assert any("<b>Garden & co</b>" in text for text in texts)
    assert any("1 point lies above" in text for text in texts)
    assert len(list(root.iter(f"{space}polyline"))) == 3
    places = [
        float(number)
        for line in root.iter(f"{space}polyline")
        for place in line.attrib["points"].split()
        for number in place.split(",")
    ]
    assert min(places) >= 0
    assert max(places) <= 960
    for word in ("class=", "style", "script", "var("):
        assert word not in response.content.decode()


@pytest.mark.parametrize("name", ["speed", "learning-rate", "grad-norm"])
def test_every_chart_of_the_page_is_a_file(student: User, client_of: Sign, name: str) -> None:
    job = make_completed_job(student)
    address = reverse("training:job_chart_svg", args=[job.pk, name])
    assert ElementTree.fromstring(client_of(student).get(address).content) is not None


def test_a_chart_that_does_not_exist_is_not_there(student: User, client_of: Sign) -> None:
    job = make_completed_job(student)
    address = reverse("training:job_chart_svg", args=[job.pk, "hope"])
    assert client_of(student).get(address).status_code == 404


def addresses(job_id: UUID) -> list[str]:
    return [
        reverse("training:job_curves_csv", args=[job_id]),
        reverse("training:job_curves_json", args=[job_id]),
        reverse("training:job_chart_svg", args=[job_id, "loss"]),
        f"/api/training/jobs/{job_id}/curves",
    ]


def test_the_curves_of_somebody_else_are_not_there(
    student: User, other_student: User, client_of: Sign, client: Client
) -> None:
    job = make_completed_job(other_student)
    browser = client_of(student)
    assert [browser.get(address).status_code for address in addresses(job.pk)] == [404] * 4
    assert [client.get(address).status_code for address in addresses(job.pk)] == [302] * 3 + [401]


def test_a_job_without_points_has_an_empty_file(student: User, client_of: Sign) -> None:
    job, _lease = make_running_job(student)
    browser = client_of(student)
    table, data, _chart, _api = (browser.get(address) for address in addresses(job.pk))
    assert len(table.content.decode().splitlines()) == 1
    assert data.json()["points"] == []
