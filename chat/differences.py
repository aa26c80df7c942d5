"""What one answer has that another has not, word by word; in Japanese and Chinese character by character.

The longest common subsequence is found with whole rows of the table as bits of one number, so two answers of thousands
of words take milliseconds whatever stands in them. A search for matching blocks (difflib) takes minutes for what small
models like to write: the same few words a thousand times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

MAX_TOKENS = 8_000
"""Of each answer, twice as many as a model may write here; what stands behind them is not compared."""
MIN_SHARED = 0.3
"""Answers with less in common are different answers, not versions of one."""
SHORT_RUN = 2
"""So many tokens in common between longer changes are chance: the reader sees one change."""

Kind = Literal["same", "added", "removed"]

# Scripts without spaces between words: kana, ideographs, their full-width signs, Thai, Lao, Khmer and Burmese.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef"
)
_TOKEN = re.compile(rf"\s+|[{_UNSPACED}\U00020000-\U0003ffff]|[^\W{_UNSPACED}]+|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text; removed is what only the measure has."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One text against a measure.

    Attributes:
        shared: the part of the longer of the two that both have, from 0 to 1; white space does not count.
        is_cut: whether a text was too long to be compared whole.
    """

    pieces: list[Piece]
    shared: float
    is_cut: bool = False

    @property
    def is_same(self) -> bool:
        return all(piece.kind == "same" for piece in self.pieces)

    @property
    def is_unlike(self) -> bool:
        """Whether marks would say nothing, because nearly everything differs."""
        return not self.is_same and self.shared < MIN_SHARED


def difference(measure: str, text: str) -> Difference:
    """The text as pieces that are also in the measure, that are only here, and that are only there."""
    before, after = tokens(measure), tokens(text)
    is_cut = max(len(before), len(after)) > MAX_TOKENS
    rest = "".join(after[MAX_TOKENS:])
    before, after = before[:MAX_TOKENS], after[:MAX_TOKENS]
    pairs = common(before, after)
    pieces = list(_merged(_smoothed(_runs(before, after, pairs))))
    words_in_common = sum(not before[left].isspace() for left, _right in pairs)
    longer = max(_word_count(before), _word_count(after))
    if rest:
        pieces.append(Piece("same", rest))
    return Difference(pieces, words_in_common / longer if longer else 1.0, is_cut)


def tokens(text: str) -> list[str]:
    """Words, single characters of scripts that put no spaces between words, signs, and stretches of white space."""
    return _TOKEN.findall(text)


def _word_count(found: Iterable[str]) -> int:
    return sum(not token.isspace() for token in found)


# --- what both have ---------------------------------------------------------------------------------


def common(before: Sequence[str], after: Sequence[str]) -> list[tuple[int, int]]:
    """The places, in both, of a longest common subsequence."""
    head = _same_count(before, after)
    tail = _same_count(before[head:][::-1], after[head:][::-1])
    left, right = before[head : len(before) - tail], after[head : len(after) - tail]
    pairs = [(index, index) for index in range(head)]
    pairs += [(head + i, head + j) for i, j in _longest(left, right)]
    pairs += [(len(before) - back, len(after) - back) for back in range(tail, 0, -1)]
    return pairs


def _same_count(before: Sequence[str], after: Sequence[str]) -> int:
    count = 0
    for left, right in zip(before, after, strict=False):
        if left != right:
            break
        count += 1
    return count


def _longest(before: Sequence[str], after: Sequence[str]) -> list[tuple[int, int]]:
    """Hyyrö's bit-vector algorithm, whose rows are kept to find the way back."""
    places: dict[str, int] = {}
    for index, token in enumerate(after):
        places[token] = places.get(token, 0) | 1 << index
    full = (1 << len(after)) - 1
    row, rows = full, []
    for token in before:
        both = row & places.get(token, 0)
        row = ((row + both) | (row - both)) & full
        rows.append(row)
    return _way_back(before, after, rows)


def _way_back(
    before: Sequence[str], after: Sequence[str], rows: Sequence[int]
) -> list[tuple[int, int]]:
    """A bit of row i that is 0 says that the prefix of `after` up to there has one more in common than without it."""
    found = []
    i, j = len(before) - 1, len(after) - 1
    while i >= 0 and j >= 0:
        if before[i] == after[j]:
            found.append((i, j))
            i, j = i - 1, j - 1
        elif rows[i] >> j & 1:
            j -= 1
        else:
            i -= 1
    return found[::-1]


# --- as pieces --------------------------------------------------------------------------------------

Run = tuple[Kind, list[str]]


def _runs(
    before: Sequence[str], after: Sequence[str], pairs: Sequence[tuple[int, int]]
) -> list[Run]:
    """What is gone stands before what came in its place."""
    runs: list[Run] = []
    i = j = 0
    for left, right in [*pairs, (len(before), len(after))]:
        runs.append(("removed", list(before[i:left])))
        runs.append(("added", list(after[j:right])))
        runs.append(("same", list(after[right : right + 1])))
        i, j = left + 1, right + 1
    filled = [run for run in runs if run[1]]
    return [
        (kind, [token for _kind, found in group for token in found])
        for kind, group in groupby(filled, key=lambda run: run[0])
    ]


def _smoothed(runs: list[Run]) -> Iterator[Run]:
    """Without short runs in common between longer changes: they count as gone and come again."""
    for index, (kind, found) in enumerate(runs):
        if kind == "same" and _is_chance(runs, index):
            yield "removed", found
            yield "added", found
        else:
            yield kind, found


def _is_chance(runs: list[Run], index: int) -> bool:
    words = _word_count(runs[index][1])
    if words > SHORT_RUN or not 0 < index < len(runs) - 1:
        return False
    if words == 0:
        return True
    before = _changed_words(runs, range(index - 1, -1, -1))
    return min(before, _changed_words(runs, range(index + 1, len(runs)))) > 2 * words


def _changed_words(runs: list[Run], indexes: Iterable[int]) -> int:
    """In the change that the runs at these indexes begin with, which white space does not end."""
    counts = {"removed": 0, "added": 0}
    for index in indexes:
        kind, found = runs[index]
        words = _word_count(found)
        if kind != "same":
            counts[kind] += words
        elif words:
            break
    return max(counts.values())


def _merged(runs: Iterable[Run]) -> Iterator[Piece]:
    """Each change as one piece that is gone and one that came."""
    for is_same, group in groupby(runs, key=lambda run: run[0] == "same"):
        stretch = list(group)
        kinds: tuple[Kind, ...] = ("same",) if is_same else ("removed", "added")
        for kind in kinds:
            text = "".join(token for own, found in stretch if own == kind for token in found)
            if text:
                yield Piece(kind, text)
