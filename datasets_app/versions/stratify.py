"""Which rows of a dataset become its evaluation part: seeded, of all lengths alike, copies kept together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

MAX_BINS = 10
MIN_DISTINCT_ROWS = 2


@dataclass(slots=True)
class _Group:
    """Exact copies of one row; they go to the same side.

    Attributes:
        key: decides who goes first; it depends on the seed and the text, never on where the row stands.
        rows: their positions.
    """

    length: int
    key: bytes
    rows: list[int] = field(default_factory=list)


def choose_evaluation_rows(
    digests: Sequence[bytes], lengths: Sequence[int], *, count: int, seed: int
) -> list[bool]:
    """For each row whether it goes to the evaluation side.

    Rows are sorted by length into bins of equal size, and each bin gives its share. Where rows have copies, as many are
    chosen as fit into count; never more, unless no copy-group fits at all.

    Args:
        digests: equal for equal rows.
        count: rows of the evaluation side.

    Raises:
        ValueError: fewer than two different rows, or count leaves one side empty.
    """
    if not 0 < count < len(digests):
        raise ValueError(f"{count} of {len(digests)} rows leave one side empty")
    groups = _groups(digests, lengths, seed)
    if len(groups) < MIN_DISTINCT_ROWS:
        raise ValueError("fewer than two different rows")
    chosen = [False] * len(digests)
    taken = seen = 0
    for bin_groups in _bins(groups):
        seen += sum(len(group.rows) for group in bin_groups)
        # Rounding the running sum spreads a few rows over all bins, where rounding each bin would favour some.
        goal = (2 * count * seen + len(digests)) // (2 * len(digests))
        taken += _take(bin_groups, chosen, room=goal - taken)
    taken += _take(groups, chosen, room=count - taken)
    if not taken:
        smallest = min(groups, key=lambda group: (len(group.rows), group.key))
        _take([smallest], chosen, room=len(smallest.rows))
    return chosen


def _groups(digests: Sequence[bytes], lengths: Sequence[int], seed: int) -> list[_Group]:
    """All groups, the shortest first."""
    salt = str(seed).encode()
    by_digest: dict[bytes, _Group] = {}
    for row, (digest, length) in enumerate(zip(digests, lengths, strict=True)):
        group = by_digest.get(digest)
        if group is None:
            key = hashlib.blake2b(digest, key=salt, digest_size=16).digest()
            group = by_digest[digest] = _Group(length, key)
        group.rows.append(row)
    return sorted(by_digest.values(), key=lambda group: (group.length, group.key))


def _bins(groups: list[_Group]) -> list[list[_Group]]:
    count = min(MAX_BINS, len(groups))
    edges = [len(groups) * number // count for number in range(count + 1)]
    return [groups[start:end] for start, end in zip(edges, edges[1:], strict=False)]


def _take(groups: Iterable[_Group], chosen: list[bool], *, room: int) -> int:
    """Choose groups that fit, in the order of the seed; returns how many rows they are."""
    taken = 0
    for group in sorted(groups, key=lambda group: group.key):
        if not chosen[group.rows[0]] and taken + len(group.rows) <= room:
            taken += len(group.rows)
            for row in group.rows:
                chosen[row] = True
    return taken
