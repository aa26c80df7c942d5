"""Lengths of a version: what they count, how many of them, and what is drawn of them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.cache import cache
from django.core.files.storage import default_storage
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import User
from common.errors import UnavailableError
from datasets_app.models import DatasetVersion
from datasets_app.preview import lengths as counting
from datasets_app.preview.histogram import histogram, whole_step
from datasets_app.preview.lengths import Outcome, TokenLengths, token_lengths
from datasets_app.preview.ready_models import tokenizer_of
from datasets_app.selectors import latest_version, read_examples
from datasets_app.tests.factories import make_dataset
from datasets_app.tests.tiny_models import REFUSES_LONG_ONES, ready_model, write_tiny_model
from engine.data.chat_template import Segment
from engine.data.truncation import keep_answer
from llmlora_site.home import Home


@pytest.fixture
def home(settings: LazySettings, tmp_path: Path, db: None) -> Home:
    settings.LLMLORA_HOME = Home(tmp_path / "home")
    settings.LLMLORA_HOME.create()
    write_tiny_model(settings.LLMLORA_HOME.local_models / "tiny")
    cache.clear()
    return settings.LLMLORA_HOME


def questions(*lengths: int, **more: str) -> list[dict[str, str]]:
    return [
        {"instruction": "q" * length, "output": f"answer {index:03}"} | more
        for index, length in enumerate(lengths)
    ]


def version_of(owner: User, records: list[Any]) -> DatasetVersion:
    return latest_version(make_dataset(owner, records=records))


def lengths_of(version: DatasetVersion, name: str = "tiny") -> TokenLengths:
    return token_lengths(version, ready_model(name))


@pytest.mark.usefixtures("home")
def test_lengths_are_those_that_training_reads(student: User) -> None:
    records = [*questions(1, 50, 300), {"instruction": "q", "output": "a" * 200}]
    version = version_of(student, records)
    found = lengths_of(version)
    chat_format = tokenizer_of(ready_model("tiny")).chat_format
    tokens = [chat_format.tokenize(example) for example in read_examples(version, limit=9)]
    assert list(found.lengths) == [len(one.input_ids) for one in tokens]
    assert not found.is_sample
    for max_length in (64, 100, 140, 4096):
        fitted = [keep_answer(one.input_ids, one.is_label, max_length) for one in tokens]
        outcome = found.outcome(max_length, "keep_answer")
        assert outcome.fitting == sum(not one.is_cut for one in fitted)
        assert outcome.answer_cut == sum(one.is_answer_cut for one in fitted)
        assert outcome.shortened == sum(one.is_cut and not one.is_answer_cut for one in fitted)
        dropped = found.outcome(max_length, "drop")
        assert (dropped.fitting, dropped.left_out) == (
            outcome.fitting,
            outcome.shortened + outcome.answer_cut,
        )


def test_examples_without_anything_to_learn_are_left_out() -> None:
    lengths = TokenLengths((1, 9), (0, 7), 2, 4)
    assert lengths.outcome(64, "keep_answer") == Outcome(1, 0, 0, 1, 2)
    assert (lengths.counted, lengths.is_sample) == (4, False)


@pytest.mark.usefixtures("home")
def test_large_versions_are_sampled_evenly(student: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "MAX_COUNTED_CHARACTERS", 2000)
    found = lengths_of(version_of(student, questions(*range(100, 140))))
    assert found.is_sample
    assert sum(found.lengths) < 2000
    gaps = {later - earlier for earlier, later in pairwise(found.lengths)}
    assert len(gaps) == 1


@pytest.mark.parametrize(
    ("sizes", "kept"),
    [
        ([10, 20, 30], [10, 20, 30]),
        ([40, 41, 42, 43], [40, 42]),
        ([101, 5, 300], [5]),
        ([101], []),
        ([60, 60, 60, 60, 60], [60]),
    ],
)
def test_no_page_tokenises_more_than_its_budget(
    sizes: list[int], kept: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "MAX_COUNTED_CHARACTERS", 100)
    rendered = [[Segment("a" * (size - 1), False), Segment("b", True)] for size in sizes]
    chosen = counting.within_budget(rendered)
    assert [sum(len(segment.text) for segment in segments) for segments in chosen] == kept


@pytest.mark.usefixtures("home")
def test_a_second_request_reads_the_cache(student: User) -> None:
    version = version_of(student, questions(5, 6))
    first = lengths_of(version)
    default_storage.delete(version.file)
    assert lengths_of(version) == first


@pytest.mark.usefixtures("home")
def test_a_lost_file_is_told(student: User) -> None:
    version = version_of(student, questions(5))
    default_storage.delete(version.file)
    with pytest.raises(UnavailableError):
        lengths_of(version)


def test_another_model_counts_anew(home: Home, student: User) -> None:
    version = version_of(student, questions(5, 6, history=[["Who?", "We."]]))
    write_tiny_model(home.local_models / "strict", REFUSES_LONG_ONES)
    assert lengths_of(version).refused_count == 0
    found = lengths_of(version, "strict")
    assert (found.refused_count, found.lengths, found.counted) == (2, (), 2)


@given(
    lengths=st.lists(st.integers(1, 20_000), min_size=1, max_size=60),
    max_length=st.integers(64, 4096),
)
def test_every_length_stands_in_its_bar(lengths: list[int], max_length: int) -> None:
    drawn = histogram(lengths, max_length)
    assert sum(bar.count for bar in drawn.bars) == len(lengths)
    for bar in drawn.bars:
        is_last_and_open = bar is drawn.bars[-1] and drawn.is_open
        held = [
            length
            for length in lengths
            if bar.first <= length and (is_last_and_open or length <= bar.last)
        ]
        assert bar.count == len(held)
        is_long_drawn = float(bar.long_height.rstrip("%")) > 0
        assert is_long_drawn == any(length > max_length for length in held)
    assert len(drawn.bars) <= 80
    places = [drawn.line, *(tick.position for tick in (*drawn.x_ticks, *drawn.y_ticks))]
    assert all(0 <= float(place.rstrip("%")) <= 100 for place in places if place)
    if any(length > max_length for length in lengths):
        assert drawn.line


@pytest.mark.parametrize(
    ("least", "step"), [(0.2, 1), (1, 1), (1.5, 2), (3, 5), (10, 10), (15.6, 20), (101, 200)]
)
def test_steps_are_round(least: float, step: int) -> None:
    assert whole_step(least) == step
