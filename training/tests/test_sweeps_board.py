"""What the jobs of a sweep show together: the best, honest gaps, and a picture by value."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import User
from training.models import Sweep, TrainingJob
from training.selectors import get_job
from training.sweeping.board import SweepBoard, board_of, grid_of
from training.sweeping.plots import plot_of
from training.sweeping.reading import jobs_of
from training.templatetags.setting_tags import setting_words
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
    measure,
    training_config,
)

pytestmark = pytest.mark.django_db
RATE = "training_config.learning_rate"
RATES = {"name": RATE, "values": [1e-4, 1e-3, 1e-2]}
RANKS = {"name": "lora_config.r", "values": [4, 16]}


def with_rate(rate: float, **changes: Any) -> dict[str, Any]:
    return training_config(**({"learning_rate": rate, "eval_fraction": 0.25} | changes))


def rate_jobs(owner: User, losses: dict[float, float], **changes: Any) -> list[TrainingJob]:
    version = make_dataset_version(owner)
    return [
        make_measured_job(
            owner,
            {0: 2.0, 75: loss},
            dataset_version=version,
            training_config=with_rate(rate),
            **changes,
        )
        for rate, loss in losses.items()
    ]


def board(sweep: Sweep) -> SweepBoard:
    return board_of(sweep, jobs_of(sweep.owner, sweep))


def best_of(sweep: Sweep) -> list[tuple[Any, ...]]:
    return [row.combination for row in board(sweep).best_rows]


def test_the_best_has_the_lowest_held_out_loss(student: User) -> None:
    sweep = make_sweep(student, [RATES], rate_jobs(student, {1e-4: 1.9, 1e-3: 1.2, 1e-2: 1.6}))
    assert board(sweep).metric == "eval_loss"
    assert best_of(sweep) == [(1e-3,)]
    assert [row.level for row in board(sweep).rows] == [5, 1, 3]


def test_losses_that_read_the_same_are_both_best(student: User) -> None:
    jobs = rate_jobs(student, {1e-4: 1.2001, 1e-3: 1.2004, 1e-2: 1.6})
    assert best_of(make_sweep(student, [RATES], jobs)) == [(1e-4,), (1e-3,)]


def test_without_held_out_examples_the_training_loss_decides(student: User) -> None:
    version = make_dataset_version(student)
    jobs = []
    for rate, loss in ((1e-4, 0.5), (1e-3, 0.9)):
        job = make_completed_job(
            student, dataset_version=version, training_config=training_config(learning_rate=rate)
        )
        job.metric_points.filter(step__gt=60).update(loss=loss)
        jobs.append(job)
    sweep = make_sweep(student, [{"name": RATE, "values": [1e-4, 1e-3]}], jobs)
    assert board(sweep).metric == "training_loss"
    assert best_of(sweep) == [(1e-4,)]


def test_a_failed_job_is_never_best_and_leaves_a_gap(student: User) -> None:
    low, high = rate_jobs(student, {1e-4: 1.9, 1e-2: 1.6})
    failed = make_failed_job(
        student,
        code="diverged",
        dataset_version=low.dataset_version,
        training_config=with_rate(1e-3),
    )
    sweep = make_sweep(student, [RATES], [low, failed, high])
    assert best_of(sweep) == [(1e-2,)]
    plot = plot_of(board(sweep), "Held-out loss", setting_words)
    assert plot is not None
    assert len(plot.lines[0].paths) == 2
    assert len(plot.lines[0].markers) == 2
    assert "1 job failed" in plot.notes[0]


def test_a_running_job_has_no_result_yet(student: User) -> None:
    done = make_measured_job(student, {0: 2.0, 75: 1.9}, training_config=with_rate(1e-4))
    running, _lease = make_running_job(
        student,
        step_count=30,
        dataset_version=done.dataset_version,
        training_config=with_rate(1e-3),
    )
    waiting = make_training_job(
        student, dataset_version=done.dataset_version, training_config=with_rate(1e-2)
    )
    measure(running, {0: 2.0, 15: 1.1})
    found = board(make_sweep(student, [RATES], [done, running, waiting]))
    assert [row.value for row in found.rows] == [1.9, None, None]
    assert found.best_rows == []
    assert found.is_active
    assert found.over_count == 1
    assert found.progress == pytest.approx((1 + 30 / 75) / 3)
    assert found.counts == {
        "pending": 1,
        "running": 1,
        "completed": 1,
        "failed": 0,
        "cancelled": 0,
    }


def test_a_setting_that_changes_what_is_measured_has_no_best(student: User) -> None:
    version = make_dataset_version(student)
    axis = {"name": "training_config.seed", "values": [1, 2]}
    jobs = [
        make_measured_job(
            student,
            {0: 2.0, 75: loss},
            dataset_version=version,
            training_config=training_config(seed=seed, eval_fraction=0.25),
        )
        for seed, loss in ((1, 1.5), (2, 1.2))
    ]
    found = board(make_sweep(student, [axis], jobs))
    assert not found.is_fair
    assert found.best_rows == []


def test_a_deleted_job_leaves_its_values(student: User) -> None:
    jobs = rate_jobs(student, {1e-4: 1.9, 1e-3: 1.2, 1e-2: 1.6})
    sweep = make_sweep(student, [RATES], jobs)
    jobs[1].delete()
    found = board(sweep)
    assert found.deleted_count == 1
    assert found.rows[1].job is None
    assert best_of(sweep) == [(1e-2,)]


def test_rates_stand_on_a_logarithmic_axis(student: User) -> None:
    jobs = rate_jobs(student, {1e-4: 1.9, 1e-3: 1.2, 1e-2: 1.6})
    plot = plot_of(board(make_sweep(student, [RATES], jobs)), "Held-out loss", setting_words)
    assert plot is not None
    assert [tick.label for tick in plot.x_ticks] == ["0.0001", "0.001", "0.01"]
    assert [tick.position for tick in plot.x_ticks] == ["4.0%", "50.0%", "96.0%"]
    assert plot.x_label == "Learning rate, logarithmic"
    assert plot.description == (
        "Learning rate 0.0001: 1.900. Learning rate 0.001: 1.200. Learning rate 0.01: 1.600."
    )


def test_values_that_are_close_stand_on_a_straight_axis(student: User) -> None:
    axis = {"name": RATE, "values": [1e-3, 2e-3, 5e-3]}
    jobs = rate_jobs(student, {1e-3: 1.9, 2e-3: 1.2, 5e-3: 1.6})
    plot = plot_of(board(make_sweep(student, [axis], jobs)), "Held-out loss", setting_words)
    assert plot is not None
    assert plot.x_label == "Learning rate"
    assert [tick.position for tick in plot.x_ticks] == ["4.0%", "27.0%", "96.0%"]


def test_two_settings_make_lines_and_a_grid(student: User) -> None:
    version = make_dataset_version(student)
    losses = {(1e-4, 4): 1.9, (1e-4, 16): 1.8, (1e-3, 4): 1.4, (1e-3, 16): 1.1}
    jobs = [
        make_measured_job(
            student,
            {0: 2.0, 75: loss},
            dataset_version=version,
            training_config=with_rate(rate),
            lora_config=lora_config(r=rank),
        )
        for (rate, rank), loss in losses.items()
    ]
    found = board(make_sweep(student, [{"name": RATE, "values": [1e-4, 1e-3]}, RANKS], jobs))
    plot = plot_of(found, "Held-out loss", setting_words)
    assert plot is not None
    assert [line.label for line in plot.lines] == ["Rank 4", "Rank 16"]
    grid = [(value, [row.value for row in rows]) for value, rows in grid_of(found)]
    assert grid == [(1e-4, [1.9, 1.8]), (1e-3, [1.4, 1.1])]


def test_a_choice_makes_the_lines_where_the_other_setting_is_a_number(student: User) -> None:
    version = make_dataset_version(student)
    axes = [
        {"name": "training_config.lr_scheduler", "values": ["cosine", "constant"]},
        {"name": RATE, "values": [1e-4, 1e-3]},
    ]
    jobs = [
        make_measured_job(
            student,
            {0: 2.0, 75: 1.0 + rate},
            dataset_version=version,
            training_config=with_rate(rate, lr_scheduler=schedule),
        )
        for schedule in ("cosine", "constant")
        for rate in (1e-4, 1e-3)
    ]
    plot = plot_of(board(make_sweep(student, axes, jobs)), "Held-out loss", setting_words)
    assert plot is not None
    assert plot.x_label == "Learning rate"
    assert [line.label for line in plot.lines] == [
        "Learning-rate schedule Soft curve",
        "Learning-rate schedule Constant",
    ]


def test_there_is_no_picture_before_a_result(student: User) -> None:
    job = make_training_job(student, training_config=with_rate(1e-4))
    assert plot_of(board(make_sweep(student, [RATES], [job])), "Loss", setting_words) is None


def test_the_best_six_are_compared(student: User) -> None:
    epochs = list(range(1, 9))
    version = make_dataset_version(student)
    jobs = [
        make_measured_job(
            student,
            {0: 2.0, 75: 2.0 - number / 10},
            dataset_version=version,
            training_config=training_config(num_epochs=number, eval_fraction=0.25),
        )
        for number in epochs
    ]
    sweep = make_sweep(student, [{"name": "training_config.num_epochs", "values": epochs}], jobs)
    compared = board(sweep).compared_jobs()
    assert [job.training.num_epochs for job in compared] == [8, 7, 6, 5, 4, 3]
    only = get_job(student, jobs[0].pk)
    assert board_of(sweep, [only]).compared_jobs() == []
