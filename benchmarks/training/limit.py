"""How long the products with frozen weights alone would take: the floor under any step on this machine.

For a micro-batch of U tokens that are computed and P positions with a label, over L blocks whose projections have K
inputs and N outputs each:

    products forward    U x K x N for every projection of the first L-1 blocks and for query, key and value of the last;
                        P x K x N for the rest of the last block, and for the head
    products backward   the same with respect to the input, except the first block's query, key and value, whose input
                        needs no gradient; W is frozen, so its own gradient is none

    seconds = sum over products of 2 M K N / (measured speed of that shape at M rows, by the faster library) / pace

Speeds are measured once, before the first cell; the pace is that of one product measured again beside each round.

Attention, normalisation, the adapter's own thin products, softmax and the optimizer count as nothing. U is what the
engine computes: each prefix that a batch shares once, nothing after the last label. It is the same floor for all arms,
so padding and prefixes computed again show as distance from it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from engine.catalog import SMOLLM2
from engine.data.batching import MicroBatch

_HIDDEN, _INNER = SMOLLM2.hidden_size, SMOLLM2.intermediate_size
_VOCABULARY = 49152

SHAPES = {
    "qkv": (_HIDDEN, _HIDDEN + 2 * SMOLLM2.key_value_size),
    "o": (_HIDDEN, _HIDDEN),
    "gate_up": (_HIDDEN, 2 * _INNER),
    "down": (_INNER, _HIDDEN),
    "head": (_HIDDEN, _VOCABULARY),
}
"""(inputs, outputs) of the products; layers with the same input are one."""

ROWS = (64, 128, 256, 512, 1024)


class Speeds:
    """Measured speeds of products, between the measured rows by the logarithm of their number.

    Args:
        table: rows of (shape, direction, rows, multiply-adds a second x 2).
    """

    def __init__(self, table: list[list[Any]]) -> None:
        self._speeds: dict[tuple[str, str], dict[int, float]] = {}
        for shape, direction, rows, speed in table:
            known = self._speeds.setdefault((shape, direction), {})
            known[rows] = max(known.get(rows, 0.0), speed)

    def seconds(self, shape: str, direction: str, rows: int) -> float:
        """Of one product with `rows` rows."""
        inputs, outputs = SHAPES[shape]
        return 2.0 * rows * inputs * outputs / self._speed(shape, direction, rows)

    def _speed(self, shape: str, direction: str, rows: int) -> float:
        known = self._speeds[shape, direction]
        below = max((key for key in known if key <= rows), default=min(known))
        above = min((key for key in known if key >= rows), default=max(known))
        if below >= above:
            return known[above]
        share = math.log(rows / below) / math.log(above / below)
        return known[below] ** (1 - share) * known[above] ** share


def seconds_of(batch: MicroBatch, speeds: Speeds) -> float:
    """The floor of one micro-batch."""
    tokens, labels = len(batch.input_ids), batch.label_count
    return sum(
        count * speeds.seconds(shape, direction, rows)
        for shape, direction, rows, count in _products(tokens, labels)
    )


def _products(tokens: int, labels: int) -> Iterator[tuple[str, str, int, int]]:
    layers = SMOLLM2.layer_count
    yield "qkv", "forward", tokens, layers
    yield "qkv", "backward", tokens, layers - 1
    for direction in ("forward", "backward"):
        for shape in ("o", "gate_up", "down"):
            yield shape, direction, tokens, layers - 1
            yield shape, direction, labels, 1
        yield "head", direction, labels, 1
