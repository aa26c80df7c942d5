"""What becomes of an example that is longer than the model may read: shortened with its answer kept, or left out.

Torch-free. A shortened example loses tokens from the middle of its longest stretch without labels, usually the
question: what the template writes around a turn stays, and so do the beginning and the end of the question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

KEPT_OF_A_STRETCH = 16
"""Tokens that a shortened stretch keeps at least, half at each end: the template's frame and a few words."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """An example that fits.

    Attributes:
        kept: of every token of the whole example, whether it is still there.
        is_cut: whether anything is missing.
        is_answer_cut: whether learned tokens are missing.
    """

    input_ids: list[int]
    is_label: list[bool]
    kept: list[bool]
    is_cut: bool = False
    is_answer_cut: bool = False


def keep_answer(input_ids: Sequence[int], is_label: Sequence[bool], max_length: int) -> Fitted:
    """Shorten an example to `max_length` tokens.

    Only when its labels alone, with a little around them, are too many is the end of the answer cut as well.
    """
    excess = len(input_ids) - max_length
    if excess <= 0:
        return Fitted(list(input_ids), list(is_label), [True] * len(input_ids))
    kept = [True] * len(input_ids)
    for start, stop in sorted(_stretches(is_label), key=lambda part: part[0] - part[1]):
        removed = min(excess, stop - start - KEPT_OF_A_STRETCH)
        if removed <= 0:
            break
        middle = start + (stop - start - removed + 1) // 2
        kept[middle : middle + removed] = [False] * removed
        excess -= removed
    indices = [index for index, is_kept in enumerate(kept) if is_kept][:max_length]
    end = indices[-1] + 1 if indices else 0
    kept[end:] = [False] * (len(kept) - end)
    lost = sum(is_label) - sum(is_label[index] for index in indices)
    return Fitted(
        [input_ids[index] for index in indices],
        [is_label[index] for index in indices],
        kept,
        is_cut=True,
        is_answer_cut=lost > 0,
    )


def whole_answer_length(is_label: Sequence[bool]) -> int:
    """The least max_length at which `keep_answer` keeps every label; 0 where there is none that can be learned."""
    # Nothing comes before the first token that could predict it.
    if not any(is_label[1:]):
        return 0
    after_last = next(index for index, label in enumerate(reversed(is_label)) if label)
    removable = sum(
        max(0, stop - start - KEPT_OF_A_STRETCH) for start, stop in _stretches(is_label)
    )
    return len(is_label) - after_last - removable


def _stretches(is_label: Sequence[bool]) -> list[tuple[int, int]]:
    """Start and end of each run of tokens without label that comes before a label."""
    stretches, start = [], 0
    for index, label in enumerate(is_label):
        if label:
            if index > start:
                stretches.append((start, index))
            start = index + 1
    return stretches
