"""What differs between two lists of rows, and between two texts."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets_app.versions import comparing
from datasets_app.versions.comparing import MAX_DIFFERENCES, Comparison, Difference, compare_lines
from datasets_app.versions.marking import Marker, Part

ROWS = st.lists(st.sampled_from("abcdefgh"), max_size=40)
TEXTS = st.text(st.sampled_from("ab c庭の水やり。"), max_size=60)


def counts(comparison: Comparison) -> tuple[int, int, int, int]:
    return comparison.added, comparison.removed, comparison.changed, comparison.unchanged


def rows(count: int, prefix: str = "row") -> list[str]:
    return [f"{prefix} {number}" for number in range(count)]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("abc", "abc", (0, 0, 0, 3)),
        ("abc", "axc", (0, 0, 1, 2)),
        ("abc", "abcd", (1, 0, 0, 3)),
        ("abc", "zabc", (1, 0, 0, 3)),
        ("abc", "ac", (0, 1, 0, 2)),
        ("abcd", "xycd", (0, 0, 2, 2)),
        ("abcd", "axd", (0, 1, 1, 2)),
        ("aab", "ab", (0, 1, 0, 2)),
        ("abc", "xyz", (0, 0, 3, 0)),
        ("a", "", (0, 1, 0, 0)),
    ],
)
def test_rows_are_counted(old: str, new: str, expected: tuple[int, int, int, int]) -> None:
    assert counts(compare_lines(old, new)) == expected


def test_differences_name_the_places_on_both_sides() -> None:
    comparison = compare_lines(["a", "b", "c", "d", "e"], ["a", "x", "c", "e", "f"])
    assert comparison.differences == [
        Difference("changed", 1, 1),
        Difference("removed", old=3),
        Difference("added", new=4),
    ]


@given(ROWS, ROWS)
def test_both_sides_are_accounted_for(old: list[str], new: list[str]) -> None:
    comparison = compare_lines(old, new)
    assert comparison.unchanged + comparison.removed + comparison.changed == len(old)
    assert comparison.unchanged + comparison.added + comparison.changed == len(new)
    for difference in comparison.differences:
        assert difference.old is None or difference.old < len(old)
        assert difference.new is None or difference.new < len(new)


@given(ROWS, ROWS)
def test_as_multisets_moved_rows_are_unchanged(old: list[str], new: list[str]) -> None:
    limit = comparing.MAX_MATCHED_ROWS
    comparing.MAX_MATCHED_ROWS = 0
    try:
        comparison = compare_lines(old, new)
    finally:
        comparing.MAX_MATCHED_ROWS = limit
    if not comparison.is_ordered:
        assert comparison.unchanged == (Counter(old) & Counter(new)).total()
        assert (comparison.added, comparison.removed) == (
            (Counter(new) - Counter(old)).total(),
            (Counter(old) - Counter(new)).total(),
        )
    assert comparison.unchanged + comparison.removed + comparison.changed == len(old)


def test_many_rows_with_one_change_are_matched_in_order() -> None:
    old = rows(100_000)
    new = [*old[:70_000], "changed", *old[70_001:]]
    comparison = compare_lines(old, new)
    assert comparison.is_ordered
    assert counts(comparison) == (0, 0, 1, 99_999)
    assert comparison.differences == [Difference("changed", 70_000, 70_000)]


def test_a_great_difference_is_told_without_order() -> None:
    comparison = compare_lines(rows(6000), rows(6000, "other"))
    assert not comparison.is_ordered
    assert counts(comparison) == (6000, 6000, 0, 0)
    assert len(comparison.differences) == MAX_DIFFERENCES


def test_thousands_of_copies_do_not_take_minutes() -> None:
    choose = random.Random(0).choice
    old = ["start", *(choose("ab") for _ in range(4900)), "end"]
    new = ["begin", *(choose("ab") for _ in range(4900)), "stop"]
    assert not compare_lines(old, new).is_ordered


@given(TEXTS, TEXTS)
def test_marked_parts_are_the_whole_text(old: str, new: str) -> None:
    old_parts, new_parts = Marker().mark(old, new)
    assert "".join(part.text for part in old_parts) == old
    assert "".join(part.text for part in new_parts) == new
    same = [part.text for part in old_parts if part.kind == "same"]
    assert "".join(same) == "".join(part.text for part in new_parts if part.kind == "same")
    assert old != new or not any(part.kind == "changed" for part in old_parts)


def test_only_what_differs_is_marked() -> None:
    old_parts, new_parts = Marker().mark("The garden is open.", "The library is open.")
    assert old_parts == [Part("The "), Part("garden", "changed"), Part(" is open.")]
    assert new_parts == [Part("The "), Part("library", "changed"), Part(" is open.")]


def test_japanese_is_marked_by_characters() -> None:
    old_parts, _new_parts = Marker().mark("庭に水をやります。", "畑に水をやります。")
    assert old_parts == [Part("庭", "changed"), Part("に水をやります。")]


def test_long_same_parts_are_shortened() -> None:
    old_parts, _new_parts = Marker().mark("x" * 5000 + "a", "x" * 5000 + "b")
    assert len(old_parts[0].text) < 300
    assert "…" in old_parts[0].text


def test_texts_that_are_too_long_to_match_are_marked_as_a_whole() -> None:
    old, new = " ".join(rows(2000, "p")), " ".join(rows(2000, "q"))
    old_parts, new_parts = Marker().mark(old, new)
    assert any(part.kind == "changed" for part in old_parts)
    assert max(len(part.text) for part in (*old_parts, *new_parts)) < 1600
