"""The recorded numbers of real jobs on the bundled base model, judged by the rules of today."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks.diagnosis import RECORDS, jobs
from training.tests.diagnosis_jobs import Told

EXPECTED = jobs()
RECORDED: dict[str, dict[str, Any]] = json.loads(RECORDS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", RECORDED)
def test_a_job_on_the_bundled_model_shows_what_it_was_made_for(name: str) -> None:
    record = {part: value for part, value in RECORDED[name].items() if part != "seconds"}
    found = Told(**record).diagnosis()
    assert found["verdict"] == EXPECTED[name].shows
    assert {EXPECTED[name].also} - {""} <= {finding["code"] for finding in found["findings"]}


def test_every_finding_was_made_by_a_real_job() -> None:
    shown = {job.shows for job in EXPECTED.values()} | {job.also for job in EXPECTED.values()}
    assert {
        "diverged",
        "unstable",
        "no_effect",
        "memorised",
        "never_learned_to_stop",
        "answers_cut",
        "under_trained",
        "good",
        "too_little_data",
        "examples_left_out",
        "no_held_out",
    } <= shown
    assert len(RECORDED) >= 12
