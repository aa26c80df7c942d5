"""What is counted before a start is what the engine makes of the same file."""

from __future__ import annotations

import random
from typing import Any

import pytest
from django.conf import LazySettings

from accounts.models import User
from datasets_app.models import DatasetVersion
from datasets_app.preview.ready_models import ReadyModel, tokenizer_of
from datasets_app.selectors import latest_version
from datasets_app.tests.factories import make_dataset
from datasets_app.tests.tiny_models import REFUSES_LONG_ONES, ready_model, write_tiny_model
from engine.config import TrainingHyperparameters
from llmlora_site.home import Home
from training.preflight import tokens
from training.preflight.tokens import TokenFit, token_counts

pytestmark = pytest.mark.django_db

RECORDS = [
    {"instruction": "Who?", "output": "Class 2B."},
    {"instruction": "Who waters the garden in the summer? " * 6, "output": "Nobody."},
    {"instruction": "図書館は何時に開きますか。" * 3, "output": "午前9時です。"},
    {"instruction": "Why?", "output": "Because it rains. " * 20},
]
COMPLETIONS = [
    {"prompt": "The bell in the tower of the old school ", "completion": "rings in D minor. " * 4},
    {"prompt": "The bell", "completion": " rings."},
    {"prompt": "The wall " * 30, "completion": "is high."},
    {"prompt": "The short one", "completion": "."},
]


@pytest.fixture
def model(new_home: Home, settings: LazySettings) -> ReadyModel:
    settings.LLMLORA_HOME = new_home
    write_tiny_model(new_home.local_models / "bytes")
    return ready_model("bytes")


def version_of(owner: User, records: list[Any]) -> DatasetVersion:
    return latest_version(make_dataset(owner, records=records))


def as_the_engine(version: DatasetVersion, model: ReadyModel, **training: Any) -> dict[str, float]:
    """What the engine's own reading and batching give."""
    from django.core.files.storage import default_storage

    from engine.data.batching import shared_prefix_length
    from engine.data.dataset import as_rows, tokenize_file

    settings = TrainingHyperparameters.from_mapping(training)
    path = default_storage.path(version.file)
    *_, file = tokenize_file(path, version.dataset.type, tokenizer_of(model).chat_format, settings)  # type: ignore[arg-type]
    assert file is not None
    rows = as_rows(file.rows)
    count = len(rows)
    return {
        "used": count,
        "shortened": file.truncated_count,
        "cut_answers": file.cut_answer_count,
        "left_out": file.dropped_count,
        "mean_tokens": sum(len(row.input_ids) for row in rows) / count,
        "mean_needed": sum(row.needed_length for row in rows) / count,
        "mean_square": sum(row.needed_length**2 for row in rows) / count,
        "mean_labels": sum(row.label_count for row in rows) / count,
        "longest": max(len(row.input_ids) for row in rows),
        "prefix": shared_prefix_length(rows),
    }


def figures(fit: TokenFit) -> dict[str, float]:
    return {
        name: getattr(fit, name)
        for name in (
            "used",
            "shortened",
            "cut_answers",
            "left_out",
            "mean_tokens",
            "mean_needed",
            "mean_square",
            "mean_labels",
            "longest",
            "prefix",
        )
    }


@pytest.mark.parametrize("records", [RECORDS, COMPLETIONS], ids=["instructions", "completions"])
@pytest.mark.parametrize("overlong", ["keep_answer", "drop"])
@pytest.mark.parametrize("max_length", [64, 128, 300, 4096])
def test_the_count_equals_the_engines(
    student: User, model: ReadyModel, records: list[Any], max_length: int, overlong: str
) -> None:
    version = version_of(student, records)
    counted = figures(token_counts(version, model).at(max_length, overlong))
    wanted = as_the_engine(version, model, max_length=max_length, overlong=overlong)
    # Examples that are left out, or cut in the middle, may share less than the others.
    assert counted.pop("prefix") <= wanted.pop("prefix") or wanted["used"] == 1
    assert counted == pytest.approx(wanted)


def test_what_all_examples_begin_with_is_counted_once(student: User, model: ReadyModel) -> None:
    version = version_of(student, RECORDS)
    wanted = as_the_engine(version, model, max_length=4096)
    assert token_counts(version, model).prefix == wanted["prefix"] > 0


def test_the_length_that_cuts_no_answer_is_the_least(student: User, model: ReadyModel) -> None:
    counts = token_counts(version_of(student, RECORDS), model)
    length = counts.whole_answer_length
    assert counts.at(length, "keep_answer").cut_answers == 0
    assert counts.at(length - 1, "keep_answer").cut_answers == 1


def test_a_large_version_is_counted_by_a_sample(
    student: User, model: ReadyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "MAX_EXAMPLES", 10)
    records = [{"instruction": f"Who? {n:02}", "output": "Class 2B. " * 9} for n in range(40)]
    counts = token_counts(version_of(student, records), model)
    assert (counts.counted, counts.is_sample) == (10, True)
    fit = counts.at(64, "keep_answer")
    assert (fit.used, fit.cut_answers) == (40, 40)


def test_a_second_look_reads_the_cache_and_a_quick_one_is_made_good_later(
    student: User, model: ReadyModel, django_assert_num_queries: Any
) -> None:
    records = [{"instruction": f"Who? {n:03}", "output": "x" * 300} for n in range(60)]
    version = version_of(student, records)
    quick = token_counts(version, model, 5000)
    assert quick.is_sample
    careful = token_counts(version, model)
    assert not careful.is_sample
    assert token_counts(version, model, 5000) == careful
    with django_assert_num_queries(1):
        token_counts(version, model)
    small = version_of(student, RECORDS)
    token_counts(small, model, tokens.QUICK_CHARACTERS)
    with django_assert_num_queries(1):
        token_counts(small, model)


def test_examples_that_the_template_refuses_are_counted_apart(
    student: User, new_home: Home, settings: LazySettings
) -> None:
    settings.LLMLORA_HOME = new_home
    write_tiny_model(new_home.local_models / "strict", template=REFUSES_LONG_ONES)
    turns = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Me."}]
    version = version_of(student, [{"messages": turns}, {"messages": [*turns, *turns]}])
    fit = token_counts(version, ready_model("strict")).at(128, "keep_answer")
    assert (fit.used, fit.refused) == (1, 1)


# --- the largest batch ----------------------------------------------------------------------------


def lengths_as_fit(lengths: list[int], prefix: int) -> TokenFit:
    count = len(lengths)
    return TokenFit(
        used=count,
        shortened=0,
        cut_answers=0,
        left_out=0,
        refused=0,
        mean_tokens=sum(lengths) / count,
        mean_needed=sum(lengths) / count,
        mean_square=sum(length**2 for length in lengths) / count,
        mean_labels=1.0,
        longest=max(lengths),
        prefix=prefix,
    )


@pytest.mark.parametrize("shares_prefix", [True, False])
@pytest.mark.parametrize(
    ("count", "size", "epochs"), [(20, 4, 3), (48, 24, 2), (200, 8, 5), (24, 1, 2), (5, 5, 15)]
)
def test_the_largest_batch_is_that_of_the_engine(
    count: int, size: int, epochs: int, shares_prefix: bool
) -> None:
    from engine.data.batching import Row, epoch_batches, micro_batches

    dice, prefix = random.Random(count), 30
    lengths = [prefix + dice.randint(10, 200) for _ in range(count)]
    fit = lengths_as_fit(lengths, prefix if size > 1 else 0)
    rows = [
        Row([0] * prefix + [1 + index] * (length + 1 - prefix), bytes(length) + b"\1")
        for index, length in enumerate(lengths)
    ]
    batches = [
        batch
        for epoch in range(epochs)
        for batch in epoch_batches(count, size, seed=1, epoch=epoch)
    ]
    largest = max(
        sum(
            len(pack.input_ids)
            for pack in micro_batches(
                [rows[index] for index in batch], 10**6, share_prefix=shares_prefix
            )
        )
        for batch in batches
    )
    told = fit.largest_batch(size, count, len(batches), shares_prefix=shares_prefix)
    assert told == pytest.approx(largest, rel=0.12)


def test_a_batch_of_everything_is_the_sum() -> None:
    fit = lengths_as_fit([10, 20, 60], 0)
    assert fit.largest_batch(3, 3, 50, shares_prefix=True) == pytest.approx(90)
    assert fit.largest_batch(1, 3, 10**9, shares_prefix=True) == 60
    assert fit.largest_batch(1, 1, 1, shares_prefix=True) == pytest.approx(30)
