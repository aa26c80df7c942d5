from __future__ import annotations

import pytest

from engine.config import TrainingHyperparameters
from engine.training.schedule import learning_rate_at


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # peak 1, 2 warm-up steps of 10: 1/2, 1, then by the share of the other 8 that is done
        ("constant", [0.5, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
        ("linear", [0.5, 1, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]),
    ],
)
def test_schedules(name: str, expected: list[float]) -> None:
    training = TrainingHyperparameters(learning_rate=0.1, warmup_ratio=0.2, lr_scheduler=name)
    rates = [learning_rate_at(step, 10, training) / 0.1 for step in range(1, 11)]
    assert rates == pytest.approx(expected)


def test_the_cosine_passes_its_middle_and_falls() -> None:
    training = TrainingHyperparameters(learning_rate=1e-3, warmup_ratio=0.2, lr_scheduler="cosine")
    rates = [learning_rate_at(step, 10, training) for step in range(1, 11)]
    assert rates[6] == pytest.approx(0.5e-3)
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[-1] > 0


def test_a_job_of_one_step_moves_at_full_rate() -> None:
    for ratio in (0.0, 0.9):
        training = TrainingHyperparameters(learning_rate=1e-3, warmup_ratio=ratio)
        assert learning_rate_at(1, 1, training) == 1e-3
