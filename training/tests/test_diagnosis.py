"""A diagnosis on a job's page and in the API: stored or computed, in words, with the next experiment."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from engine.config import LoraHyperparameters, TrainingHyperparameters
from modelhub.models import BaseModel
from training.diagnosis.facts import JobFacts
from training.diagnosis.page import LEVELS, diagnosis_context, worded_findings
from training.diagnosis.reading import VERSION, diagnosis_of
from training.diagnosis.rules import VERDICT_ORDER, find
from training.diagnosis.wording import (
    evidence_rows,
    experiment_sentence,
    sentence_of,
    title_of,
)
from training.models import MetricPoint, TrainingJob
from training.tests.factories import make_completed_job, make_failed_job, make_running_job

LORA, TRAINING = LoraHyperparameters(), TrainingHyperparameters()


def facts(losses: list[float], held_out: list[float] | None = None, **changes: Any) -> JobFacts:
    """A job of five epochs; held-out losses begin with the base model's and follow each epoch."""
    steps = list(enumerate(losses, start=1))
    pace = max(1, len(losses) // max(1, len(held_out or [0]) - 1))
    measured = [(index * pace, loss) for index, loss in enumerate(held_out or [])]
    values: dict[str, Any] = {
        "lora": LORA,
        "training": TRAINING,
        "losses": steps,
        "held_out": measured,
        "example_count": 40,
        "label_token_count": 800,
    }
    return JobFacts(**values | changes)


def codes(found: JobFacts) -> list[str]:
    return [finding.code for finding in find(found)]


FALLING = [4.0 * 0.9**step + 0.3 for step in range(50)]


def test_out_of_memory_names_the_engines_first_mend() -> None:
    (finding,) = find(
        facts(
            [],
            failure="out_of_memory",
            failure_params={"needed_bytes": 9, "available_bytes": 5, "mends": ["r", "max_length"]},
        )
    )
    assert finding.evidence["needed_bytes"] == 9
    assert finding.next == {"code": "smaller_rank_for_memory", "params": {"lora_config.r": 4}}


def test_a_failure_of_another_kind_says_nothing() -> None:
    assert find(facts(FALLING, failure="engine_died")) == []


def test_without_a_step_there_is_nothing_to_say() -> None:
    assert find(facts([])) == []


def test_the_best_of_a_job_that_learned_by_heart_is_where_to_stop() -> None:
    found = find(facts(FALLING, [4.0, 2.0, 1.5, 1.8, 2.2, 2.6]))
    assert found[0].code == "memorised"
    assert found[0].evidence["best_step"] == 20
    assert found[0].next == {"code": "fewer_epochs", "params": {"training_config.num_epochs": 2}}


def test_held_out_losses_that_never_fall_are_learning_by_heart() -> None:
    found = find(facts(FALLING, [4.0, 4.0, 4.02, 4.05, 4.06, 4.08]))
    assert found[0].code == "memorised"
    assert found[0].evidence["best_step"] == 0
    assert "learning_rate" in found[0].next["params"].popitem()[0]  # type: ignore[index]


def test_a_good_job_that_was_not_measured_is_to_be_measured() -> None:
    found = find(facts([*FALLING, *[0.31, 0.3] * 20]))
    assert [finding.code for finding in found] == ["good", "no_held_out"]
    assert found[0].next["params"] == {"training_config.eval_fraction": 0.2}  # type: ignore[index]


@pytest.mark.parametrize(("mean", "found"), [(20, True), (60, False)])
def test_only_short_answers_should_have_ended(mean: int, found: bool) -> None:
    job = facts(FALLING, label_token_count=40 * mean, finish_reasons=["length", "stop"])
    assert ("never_learned_to_stop" in codes(job)) == found
    ended = facts(FALLING, label_token_count=40 * mean, finish_reasons=["length", "stop", "stop"])
    assert "never_learned_to_stop" not in codes(ended)


def test_cut_answers_ask_for_more_room_until_there_is_none() -> None:
    cut = find(facts(FALLING, cut_answer_count=3))
    assert cut[0].code == "answers_cut"
    assert cut[0].next == {
        "code": "longer_examples",
        "params": {"training_config.max_length": 1024},
    }
    full = find(facts(FALLING, cut_answer_count=3, context_length=512))
    assert full[0].next == {"code": "shorter_answers", "params": {}}


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    losses=st.lists(st.floats(0, 1e6), max_size=80),
    held_out=st.lists(st.floats(0, 1e6), max_size=9),
    counts=st.tuples(*[st.integers(0, 50)] * 4),
    reasons=st.lists(st.sampled_from(["stop", "length"]), max_size=3),
)
def test_any_numbers_give_a_sound_diagnosis(
    losses: list[float], held_out: list[float], counts: tuple[int, ...], reasons: list[str]
) -> None:
    examples, labels, cut, dropped = counts
    found = find(
        facts(
            losses,
            held_out,
            example_count=examples,
            label_token_count=labels,
            cut_answer_count=cut,
            dropped_count=dropped,
            finish_reasons=reasons,
            grad_norms=losses,
        )
    )
    assert bool(found) == bool(losses)
    for finding in found:
        step = finding.next or {"code": "", "params": {}}
        assert title_of(finding.code)
        assert sentence_of(finding.code, finding.evidence)
        assert len(evidence_rows(finding.evidence)) == len(finding.evidence)
        assert experiment_sentence(step["code"], step["params"])
        _assert_settings(step["params"])


def _assert_settings(params: dict[str, Any]) -> None:
    """Each is a legal value of a real setting."""
    for name, value in params.items():
        prefix, _, setting = name.partition(".")
        kind = {"lora_config": LoraHyperparameters, "training_config": TrainingHyperparameters}
        kind[prefix].from_mapping({setting: value})  # type: ignore[attr-defined]


def test_every_code_has_words_and_a_colour() -> None:
    assert set(LEVELS) == set(VERDICT_ORDER)
    assert all(map(title_of, VERDICT_ORDER))
    assert title_of("of a later version") == sentence_of("of a later version", {}) == ""


def test_numbers_that_can_not_be_read_give_no_diagnosis() -> None:
    job = TrainingJob(base_model=BaseModel(), lora_config={"r": "many"}, training_config={})
    assert diagnosis_of(job, [MetricPoint(step=1, loss=1.0)], []) == {}


@pytest.mark.django_db
def test_a_completed_job_explains_itself(
    student: User, client_of: Callable[[User], Client]
) -> None:
    job = make_completed_job(student)
    page = client_of(student).get(reverse("training:job_detail", args=[job.pk])).content.decode()
    assert "What the numbers say" in page
    assert sentence_of("good", {}) in page or title_of("under_trained") in page


@pytest.mark.django_db
def test_the_stored_diagnosis_is_what_the_page_shows(student: User) -> None:
    job = make_completed_job(student)
    job.diagnosis = {
        "verdict": "no_effect",
        "findings": [
            {
                "code": "no_effect",
                "evidence": {"start_loss": 1.0, "end_loss": 0.9996, "learning_rate": 1e-5},
                "next": {
                    "code": "raise_learning_rate",
                    "params": {"training_config.learning_rate": 1e-3},
                },
            },
            {"code": "no_held_out", "evidence": {"examples": 12}, "next": None},
        ],
        "version": VERSION,
    }
    context = diagnosis_context(job)
    assert context["verdict"].code == "no_effect"
    assert context["verdict"].rows[0] == ("Loss at the start", "1.000")
    assert [finding.code for finding in context["other_findings"]] == ["no_held_out"]
    url = urlsplit(context["verdict"].next_url)
    assert url.path == reverse("training:job_new")
    assert parse_qs(url.query) == {
        "from": [str(job.pk)],
        "training_config.learning_rate": ["0.001"],
    }


@pytest.mark.django_db
def test_a_diagnosis_of_another_version_is_made_anew(student: User) -> None:
    job = make_completed_job(student)
    job.diagnosis = {"version": VERSION + 1, "findings": [{"code": "later", "evidence": {}}]}
    assert worded_findings(job)[0].code in VERDICT_ORDER


@pytest.mark.django_db
def test_a_job_that_lives_is_not_judged(student: User) -> None:
    job, _lease = make_running_job(student, step_count=40)
    assert diagnosis_context(job) == {}


@pytest.mark.django_db
def test_a_job_without_memory_says_what_to_change(
    student: User, client_of: Callable[[User], Client]
) -> None:
    params = {
        "total_bytes": 8 * 2**30,
        "available_bytes": 2**30,
        "needed_bytes": 2**31,
        "mends": ["max_length"],
    }
    job = make_failed_job(student, code="out_of_memory", params=params)
    page = client_of(student).get(reverse("training:job_detail", args=[job.pk])).content.decode()
    assert title_of("out_of_memory") in page
    assert "training_config.max_length=256" in page


@pytest.mark.django_db
def test_what_is_stored_is_json_of_codes_and_numbers(student: User) -> None:
    job = make_completed_job(student)
    points = list(job.metric_points.order_by("step"))
    samples = [
        {"step": 75, "index": 0, "prompt": "Who?", "text": "", "finish_reason": "length"},
        {"step": 0, "index": 1, "prompt": "Why?", "text": ""},
    ]
    found = diagnosis_of(job, points, samples)
    assert json.loads(json.dumps(found)) == found
    assert found["version"] == VERSION
    assert found["verdict"] == found["findings"][0]["code"]


@pytest.mark.django_db
def test_the_api_words_the_stored_diagnosis(
    student: User, client_of: Callable[[User], Client]
) -> None:
    job = make_completed_job(student)
    evidence = {"examples": 3}
    finding = {"code": "too_little_data", "evidence": evidence, "next": None}
    stored = {"verdict": "too_little_data", "findings": [finding], "version": VERSION}
    TrainingJob.objects.filter(pk=job.pk).update(diagnosis=stored)
    answer = client_of(student).get(f"/api/training/jobs/{job.pk}").json()["diagnosis"]
    assert answer["verdict"] == "too_little_data"
    assert answer["findings"][0]["sentence"] == sentence_of("too_little_data", evidence)
    assert answer["findings"][0]["next_sentence"] == ""
