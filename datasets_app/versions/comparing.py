"""What is different between the rows of two versions: both are streamed, and only digests are kept."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from heapq import merge
from itertools import zip_longest
from typing import Literal

MAX_MATCHED_ROWS = 5000
MAX_MATCHED_PAIRS = 1_000_000
"""Rows with many copies pair with each other; beyond this finding their order takes too long."""
MAX_DIFFERENCES = 200

DifferenceKind = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One row that differs, by its positions from 0 on; a side without it has None."""

    kind: DifferenceKind
    old: int | None = None
    new: int | None = None


@dataclass(slots=True)
class Comparison:
    """How many rows differ, and the first of them.

    Attributes:
        is_ordered: rows were matched in their order; otherwise a row that only moved counts as unchanged, and a changed
            one as removed and added.
    """

    unchanged: int
    added: int = 0
    removed: int = 0
    changed: int = 0
    is_ordered: bool = True
    differences: list[Difference] = field(default_factory=list)

    @property
    def difference_count(self) -> int:
        return self.added + self.removed + self.changed


def compare_lines(old_lines: Iterable[str], new_lines: Iterable[str]) -> Comparison:
    """Match the rows of two versions; the beginning and the end that they share are skipped."""
    head, old, new = _after_common_head(old_lines, new_lines)
    tail = 0
    while old and new and old[-1] == new[-1]:
        old.pop()
        new.pop()
        tail += 1
    comparison = Comparison(unchanged=head + tail)
    if max(len(old), len(new)) <= MAX_MATCHED_ROWS and _pair_count(old, new) <= MAX_MATCHED_PAIRS:
        found = _ordered_differences(old, new, head, comparison)
    else:
        comparison.is_ordered = False
        found = _unordered_differences(old, new, head)
    for difference in found:
        _count(comparison, difference)
    if not comparison.is_ordered:
        comparison.unchanged += len(new) - comparison.added
    return comparison


def _after_common_head(
    old_lines: Iterable[str], new_lines: Iterable[str]
) -> tuple[int, array[int], array[int]]:
    """How many first rows are the same, and the digests of the rest of both."""
    head = 0
    old, new = array("Q"), array("Q")
    for old_line, new_line in zip_longest(old_lines, new_lines):
        if old_line == new_line and not old and not new:
            head += 1
            continue
        if old_line is not None:
            old.append(_digest(old_line))
        if new_line is not None:
            new.append(_digest(new_line))
    return head, old, new


def _digest(line: str) -> int:
    return int.from_bytes(hashlib.blake2b(line.encode(), digest_size=8).digest())


def _pair_count(old: array[int], new: array[int]) -> int:
    copies = Counter(new)
    return sum(copies[digest] for digest in old)


def _ordered_differences(
    old: array[int], new: array[int], head: int, comparison: Comparison
) -> Iterator[Difference]:
    matcher = SequenceMatcher(None, old.tolist(), new.tolist(), autojunk=False)
    for tag, old_start, old_end, new_start, new_end in matcher.get_opcodes():
        if tag == "equal":
            comparison.unchanged += old_end - old_start
            continue
        # Where rows stand in each other's place they are taken for one row that was changed.
        pairs = min(old_end - old_start, new_end - new_start)
        for step in range(pairs):
            yield Difference("changed", head + old_start + step, head + new_start + step)
        for position in range(old_start + pairs, old_end):
            yield Difference("removed", old=head + position)
        for position in range(new_start + pairs, new_end):
            yield Difference("added", new=head + position)


def _unordered_differences(old: array[int], new: array[int], head: int) -> Iterator[Difference]:
    removed = ((head + position, "removed") for position in _surplus(old, new))
    added = ((head + position, "added") for position in _surplus(new, old))
    for position, kind in merge(removed, added):
        if kind == "removed":
            yield Difference("removed", old=position)
        else:
            yield Difference("added", new=position)


def _surplus(rows: array[int], others: array[int]) -> Iterator[int]:
    """Positions of rows that stand here more often than there."""
    matched = Counter(others)
    for position, digest in enumerate(rows):
        if matched[digest] > 0:
            matched[digest] -= 1
        else:
            yield position


def _count(comparison: Comparison, difference: Difference) -> None:
    if difference.kind == "changed":
        comparison.changed += 1
    elif difference.kind == "added":
        comparison.added += 1
    else:
        comparison.removed += 1
    if len(comparison.differences) < MAX_DIFFERENCES:
        comparison.differences.append(difference)
