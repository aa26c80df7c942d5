"""The split of rows: disjoint, complete, of the right size, the same for the same seed, and fair to all lengths."""

from __future__ import annotations

import hashlib
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets_app.versions.stratify import MAX_BINS, choose_evaluation_rows

LENGTHS = st.integers(1, 10_000)
SEEDS = st.integers(0, 2**32 - 1)


def digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


@st.composite
def rows_with_copies(draw: st.DrawFn) -> tuple[list[bytes], list[int], int]:
    """Digests, lengths and a count; rows of the same text have the same length."""
    lengths = draw(st.lists(LENGTHS, min_size=2, max_size=30))
    which = draw(st.lists(st.integers(0, len(lengths) - 1), max_size=60))
    rows = draw(st.permutations([*range(len(lengths)), *which]))
    count = draw(st.integers(1, len(rows) - 1))
    return [digest(str(row)) for row in rows], [lengths[row] for row in rows], count


@st.composite
def distinct_rows(draw: st.DrawFn) -> tuple[list[int], int]:
    lengths = draw(st.lists(LENGTHS, min_size=2, max_size=120, unique=True))
    return lengths, draw(st.integers(1, len(lengths) - 1))


@given(rows_with_copies(), SEEDS)
def test_every_row_is_on_one_side_and_copies_stay_together(
    rows: tuple[list[bytes], list[int], int], seed: int
) -> None:
    digests, lengths, count = rows
    chosen = choose_evaluation_rows(digests, lengths, count=count, seed=seed)
    assert len(chosen) == len(digests)
    assert 0 < sum(chosen) < len(digests)
    sides = defaultdict(set)
    for key, side in zip(digests, chosen, strict=True):
        sides[key].add(side)
    assert all(len(found) == 1 for found in sides.values())


@given(rows_with_copies(), SEEDS)
def test_as_many_rows_are_chosen_as_copies_allow(
    rows: tuple[list[bytes], list[int], int], seed: int
) -> None:
    digests, lengths, count = rows
    chosen = choose_evaluation_rows(digests, lengths, count=count, seed=seed)
    sizes = defaultdict(int)
    for key in digests:
        sizes[key] += 1
    rest = [sizes[key] for key, side in zip(digests, chosen, strict=True) if not side]
    if sum(chosen) > count:
        assert sum(chosen) == min(sizes.values())
    else:
        assert all(sum(chosen) + size > count for size in rest)


@given(distinct_rows(), SEEDS)
def test_of_different_rows_exactly_the_asked_number_is_chosen(
    rows: tuple[list[int], int], seed: int
) -> None:
    lengths, count = rows
    digests = [digest(str(length)) for length in lengths]
    assert sum(choose_evaluation_rows(digests, lengths, count=count, seed=seed)) == count


@given(distinct_rows(), SEEDS)
def test_each_length_bin_gives_its_share(rows: tuple[list[int], int], seed: int) -> None:
    """Over the shortest bins together, and so in each bin, the count is right to one row."""
    lengths, count = rows
    digests = [digest(str(length)) for length in lengths]
    chosen = choose_evaluation_rows(digests, lengths, count=count, seed=seed)
    in_order = [side for _length, side in sorted(zip(lengths, chosen, strict=True))]
    bins = min(MAX_BINS, len(lengths))
    for number in range(1, bins + 1):
        end = len(lengths) * number // bins
        assert abs(sum(in_order[:end]) - count * end / len(lengths)) <= 0.5


@given(rows_with_copies(), SEEDS)
def test_the_same_seed_gives_the_same_split_in_any_order(
    rows: tuple[list[bytes], list[int], int], seed: int
) -> None:
    digests, lengths, count = rows
    first = choose_evaluation_rows(digests, lengths, count=count, seed=seed)
    assert choose_evaluation_rows(digests, lengths, count=count, seed=seed) == first
    backwards = choose_evaluation_rows(digests[::-1], lengths[::-1], count=count, seed=seed)
    assert backwards == first[::-1]


def test_another_seed_gives_another_split() -> None:
    lengths = list(range(1, 101))
    digests = [digest(str(length)) for length in lengths]
    splits = {
        tuple(choose_evaluation_rows(digests, lengths, count=20, seed=seed)) for seed in range(5)
    }
    assert len(splits) == 5


@pytest.mark.parametrize("count", [-1, 0, 2, 3])
def test_a_count_that_leaves_a_side_empty_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="one side empty"):
        choose_evaluation_rows([b"a", b"b"], [1, 2], count=count, seed=0)


def test_one_row_and_its_copies_are_refused() -> None:
    with pytest.raises(ValueError, match="two different rows"):
        choose_evaluation_rows([b"a"] * 4, [1] * 4, count=2, seed=0)


def test_copies_that_are_all_too_many_still_fill_the_smaller_side() -> None:
    digests = [b"a"] * 5 + [b"b"] * 3
    chosen = choose_evaluation_rows(digests, [1] * 8, count=1, seed=0)
    assert chosen == [False] * 5 + [True] * 3
