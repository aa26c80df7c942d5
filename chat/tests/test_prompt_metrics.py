"""Measures of answers and what few of them tell: known cases, and what must hold for all."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.prompt_sets.metrics import is_exact, normalized, similarity, similarity_signature
from chat.prompt_sets.results import ModelFacts, baseline_of
from chat.prompt_sets.statistics import difference_of, mean_of, share_of

TEXTS = st.text(max_size=60)
NUMBERS = st.lists(st.floats(-100, 100), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        ("Kyoto", "kyoto."),
        ("  Mount \n Fuji! ", "mount fuji"),
        ("東京です。", "東京です"),
        ("ＡＢＣ１２３", "abc123"),
        ("ﾄｳｷｮｳ！？", "トウキョウ"),
        ("Class 2B 。", "Class 2B"),
        ("...", "..."),
    ],
)
def test_the_same_answer_written_otherwise_is_right(answer: str, reference: str) -> None:
    assert is_exact(answer, reference)
    assert similarity(answer, reference) == 100


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        ("Kyoto", "Tokyo"),
        ("2.5", "25"),
        ("It is Kyoto", "Kyoto"),
        ("", "."),
        ("か", "が"),
        ("!", "?"),
    ],
)
def test_another_answer_is_wrong(answer: str, reference: str) -> None:
    assert not is_exact(answer, reference)


def test_nearer_answers_are_more_similar_in_both_languages() -> None:
    reference = "富士山は3,776メートルです。"
    scores = [
        similarity(answer, reference)
        for answer in ("富士山は3,776メートルです", "富士山は3776メートル", "富士山", "琵琶湖")
    ]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 4
    assert similarity("the cat sat", "the cat sits") > similarity("a dog", "the cat sits")
    assert similarity_signature().endswith("text:normalized")


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_measures_stay_in_their_range_and_agree(one: str, other: str) -> None:
    assert 0 <= similarity(one, other) <= 100.000001
    assert is_exact(one, one)
    assert is_exact(one, other) == is_exact(other, one)
    if is_exact(one, other):
        assert similarity(one, other) == 100


@given(TEXTS)
def test_normalising_again_changes_nothing(text: str) -> None:
    once = normalized(text)
    assert normalized(once) == once


@settings(deadline=None)
@given(NUMBERS)
def test_a_mean_lies_in_its_interval_and_between_the_values(values: list[float]) -> None:
    estimate = mean_of(values)
    assert estimate is not None
    slack = 1e-9
    assert min(values) - slack <= estimate.low <= estimate.high <= max(values) + slack
    assert mean_of(values) == estimate


@settings(deadline=None)
@given(NUMBERS)
def test_a_difference_seen_from_the_other_side_is_the_opposite(gains: list[float]) -> None:
    one, other = difference_of(gains), difference_of([-gain for gain in gains])
    assert one is not None
    assert other is not None
    assert (one.wins, one.losses, one.ties) == (other.losses, other.wins, other.ties)
    assert one.wins + one.losses + one.ties == len(gains)
    opposite = {"better": "worse", "worse": "better", "unclear": "unclear"}
    assert opposite[one.verdict] == other.verdict


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ([1.0] * 5, "unclear"),
        ([1.0] * 6, "better"),
        ([-1.0] * 6, "worse"),
        ([0.0] * 50, "unclear"),
        ([1.0, -1.0] * 20, "unclear"),
        ([1.0] * 5 + [0.0] * 100, "unclear"),
    ],
)
def test_who_is_better_is_said_only_when_it_can_be_told(gains: list[float], verdict: str) -> None:
    difference = difference_of(gains)
    assert difference is not None
    assert difference.verdict == verdict


def test_nothing_measured_is_nothing() -> None:
    assert mean_of([]) is None
    assert share_of([]) is None
    assert difference_of([]) is None


def test_a_share_of_none_or_all_is_not_certain() -> None:
    none, everything = share_of([False] * 5), share_of([True] * 5)
    assert none is not None
    assert everything is not None
    assert none.low == 0
    assert none.high > 0.4
    assert everything.low < 0.6
    assert everything.high == 1


def test_the_interval_of_a_mean_holds_the_truth_about_as_often_as_it_says() -> None:
    chance = random.Random(3)
    trials, hits = 150, 0
    for _trial in range(trials):
        estimate = mean_of([chance.gauss(10, 3) for _item in range(30)])
        assert estimate is not None
        hits += estimate.low <= 10 <= estimate.high
    assert 0.87 <= hits / trials <= 0.99


def test_equal_models_are_seldom_called_different() -> None:
    chance = random.Random(4)
    verdicts = []
    for _trial in range(150):
        difference = difference_of([chance.choice([-1.0, 0.0, 1.0]) for _item in range(20)])
        assert difference is not None
        verdicts.append(difference.verdict)
    assert verdicts.count("unclear") >= 0.88 * len(verdicts)


def facts_of(kind: str, base_model: str) -> ModelFacts:
    return ModelFacts(
        id="",
        name="",
        kind=kind,
        job_id=None,
        base_model=base_model,
        base_digest="",
        adapter_digest="",
    )


@pytest.mark.parametrize(
    ("models", "baselines"),
    [
        (["tuned a", "base a"], [1, None]),
        (["base b", "tuned a", "base a"], [None, 2, 0]),
        (["tuned a", "base b"], [1, None]),
        (["tuned a", "tuned b"], [None, 0]),
        (["base a", "base b"], [None, 0]),
        (["tuned a"], [None]),
    ],
)
def test_each_model_is_held_against_its_own_base_model_where_that_answered(
    models: list[str], baselines: list[int | None]
) -> None:
    facts = [facts_of(*model.split()) for model in models]
    assert [baseline_of(facts, place) for place in range(len(facts))] == baselines
