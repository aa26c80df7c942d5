"""In which precision chats multiply with frozen weights on a CPU: the fastest that passes a gate of quality.

Few rows at a time, a product waits for the weights to come from memory: half or a quarter of the bytes is worth up to
that much in time. Training goes on in float32, whose weights stay where they are; the copy for chats comes on top.
Adapters, attention and everything between the products stay in float32. On other devices nothing is changed.
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch.nn import functional

from engine.data.batching import Row, micro_batches
from engine.models import bfloat16, int8
from engine.models.bfloat16 import Bfloat16Linear
from engine.models.frozen import FrozenProjection
from engine.models.int8 import Int8Linear
from engine.models.products import Products
from engine.models.scores import soft_capped

logger = logging.getLogger(__name__)

Precision = Literal["float32", "bfloat16", "int8"]
HEAD: Literal["head"] = "head"
RowsLinear = Callable[[torch.Tensor], torch.Tensor]
Linears = Mapping[FrozenProjection | Literal["head"], RowsLinear]
"""How rows are multiplied with each projection and with the head: float32 to float32, without the bias."""

MOST_KL_NATS = 0.01
MOST_LOSS_CHANGE = 0.01
LEAST_GAIN = 1.15
"""By how much another precision must be faster than float32 to be worth its memory."""

_WORTH = {"bfloat16": 1.3, "int8": 1.0}
"""How a gain counts: int8 moves predictions more, and a busy host's measurements must not make the choice waver."""

_KINDS: dict[str, Callable[[torch.Tensor], Any]] = {
    "bfloat16": Bfloat16Linear,
    "int8": Int8Linear,
}
_SUPPORT = {"bfloat16": bfloat16.is_supported, "int8": int8.is_supported}
_PROBED_ROWS = (1, 8, 24)
_PROBE_ROUNDS = 20

GATE_TEXTS = (
    "The lighthouse keeper wrote down the weather every morning, and in winter the ink froze before the page was full.",
    "How many minutes are there in two hours? There are 120 minutes, since each hour has 60 of them.",
    "To bake the bread, mix flour, water, salt and yeast, let the dough rest for an hour, and heat the oven well.",
    "def area(width, height):\n    return width * height\n\nprint(area(3, 4))",
    "日本の首都は東京です。人口はおよそ千四百万人で、世界でも大きな都市の一つです。",
    "朝ごはんには、白いご飯と味噌汁、それに焼き魚をよく食べます。",
)


@dataclass(frozen=True, slots=True)
class Quality:
    """How far the model's predictions move from those in float32.

    Attributes:
        kl_nats: mean Kullback-Leibler divergence of the next token's distribution.
        top1_agreement: share of positions with the same likeliest token.
        loss_ratio: loss on the texts by loss in float32.
    """

    kl_nats: float
    top1_agreement: float
    loss_ratio: float

    @property
    def is_enough(self) -> bool:
        """Whether this precision may be the default."""
        return self.kl_nats <= MOST_KL_NATS and abs(self.loss_ratio - 1) <= MOST_LOSS_CHANGE


@dataclass(frozen=True, slots=True)
class Choice:
    """A precision, and what it takes.

    Attributes:
        linears: None for float32, which needs nothing.
        gain: products a second by those in float32.
        size_bytes: memory on top of the float32 weights.
    """

    precision: Precision
    linears: Linears | None = None
    quality: Quality | None = None
    gain: float = 1.0
    size_bytes: int = 0


FLOAT32 = Choice("float32")


def choose(resident: Any) -> Choice:
    """The fastest precision on this host whose predictions stay close enough; float32 when none is.

    Args:
        resident: a ResidentModel.
    """
    if not _is_dense_cpu(resident):
        return FLOAT32
    gains = measured_gains(resident)
    for precision in sorted(gains, key=lambda name: -gains[name] * _WORTH[name]):
        if gains[precision] < LEAST_GAIN:
            continue
        chosen = forced(resident, precision, gain=gains[precision])
        quality = chosen.quality
        logger.info("chats in %s: %.2f times as fast, %s", precision, chosen.gain, quality)
        if quality is not None and quality.is_enough:
            return chosen
    return FLOAT32


def forced(resident: Any, precision: Precision, *, gain: float = 1.0) -> Choice:
    """A precision that somebody asked for, whatever its quality, which is measured too.

    Raises:
        NotImplementedError: the device or the processor has no such products.
    """
    if precision == "float32":
        return FLOAT32
    linears = linears_for(resident, precision)
    return Choice(
        precision,
        linears,
        quality_of(resident, linears),
        gain,
        sum(linear.size_bytes for linear in linears.values()),  # type: ignore[attr-defined]
    )


def linears_for(resident: Any, precision: Precision) -> Linears:
    """Every frozen projection of a model, and its head, in a lower precision.

    Raises:
        NotImplementedError: the device or the processor has no such products.
    """
    if not _is_dense_cpu(resident):
        raise NotImplementedError("only dense weights on a CPU are kept in a lower precision")
    make = _KINDS[precision]
    linears: dict[FrozenProjection | Literal["head"], RowsLinear] = {
        projection: make(projection.weight) for projection in _projections(resident)
    }
    linears[HEAD] = make(resident.head_weight)
    return linears


def quality_of(resident: Any, linears: Linears, texts: Sequence[str] = GATE_TEXTS) -> Quality:
    """Hold the base model's predictions with these linears against those in float32."""
    reduced = copy.copy(resident.packed)
    reduced.products = _through(resident, linears)

    def predict(token_ids: list[int]) -> torch.Tensor:
        return _log_probabilities(resident, reduced, _batch(token_ids))

    return quality_by(resident, predict, texts)


def quality_by(
    resident: Any,
    predict: Callable[[list[int]], torch.Tensor],
    texts: Sequence[str] = GATE_TEXTS,
) -> Quality:
    """Hold somebody's predictions against the base model's own in float32.

    Args:
        predict: token ids to (tokens - 1, vocabulary) log-probabilities of what follows each, in float64.
    """
    divergence = agreement = loss = exact_loss = 0.0
    count = 0
    for text in texts:
        ids = resident.tokenizer(text, add_special_tokens=False)["input_ids"]
        batch = _batch(ids)
        exact = _log_probabilities(resident, resident.packed, batch)
        found = predict(ids)
        divergence += float((exact.exp() * (exact - found)).sum())
        agreement += float((exact.argmax(dim=-1) == found.argmax(dim=-1)).sum())
        exact_loss += float(functional.nll_loss(exact, batch.labels, reduction="sum"))
        loss += float(functional.nll_loss(found, batch.labels, reduction="sum"))
        count += len(batch.labels)
    return Quality(divergence / count, agreement / count, loss / exact_loss)


def _batch(token_ids: list[int]) -> Any:
    """One text as a batch that predicts each of its tokens but the first."""
    row = Row(token_ids, [False] + [True] * (len(token_ids) - 1))
    (batch,) = micro_batches([row], len(token_ids))
    return batch


def measured_gains(resident: Any) -> dict[Precision, float]:
    """How many times as fast as float32 each precision multiplies on this host, over a block and a few row counts."""
    weights = [projection.weight for projection in _projections(resident)[:4]]
    weights.append(resident.head_weight[: 16 * len(weights[0])])
    precisions: tuple[Precision, ...] = ("bfloat16", "int8")
    linears = {
        precision: [_KINDS[precision](weight) for weight in weights]
        for precision in precisions
        if _SUPPORT[precision]()
    }
    exact = [_bound(resident.packed.products, weight) for weight in weights]
    # In turn, so that whatever else runs on the host slows all of them.
    rounds = [
        {name: _seconds(layers, weights) for name, layers in (linears | {"float32": exact}).items()}
        for _ in range(_PROBE_ROUNDS)
    ]
    best = {name: min(seconds[name] for seconds in rounds) for name in rounds[0]}
    return {name: best["float32"] / best[name] for name in linears}


def _bound(products: Products, weight: torch.Tensor) -> RowsLinear:
    return lambda rows: products.linear(rows, weight)


@torch.no_grad()
def _seconds(linears: Sequence[RowsLinear], weights: Sequence[torch.Tensor]) -> float:
    """Of all layers over all row counts."""
    seconds = 0.0
    for linear, weight in zip(linears, weights, strict=True):
        for count in _PROBED_ROWS:
            rows = torch.ones(count, weight.shape[1])
            started = time.perf_counter()
            linear(rows)
            seconds += time.perf_counter() - started
    return seconds


def _is_dense_cpu(resident: Any) -> bool:
    return (
        resident.device.kind == "cpu"
        and resident.device.dtype == torch.float32
        and not resident.is_four_bit
    )


def _projections(resident: Any) -> list[FrozenProjection]:
    """In order of computation."""
    return [block_part for block in resident.packed.frozen for block_part in block]


def _through(resident: Any, linears: Linears) -> Products:
    """Products that take the linears in place of the weights that they were made of."""
    by_weight = {
        id(resident.head_weight if key == HEAD else key.weight): linear
        for key, linear in linears.items()
    }
    return Products("reduced", lambda rows, weight: by_weight[id(weight)](rows))


@torch.no_grad()
def _log_probabilities(resident: Any, decoder: Any, batch: Any) -> torch.Tensor:
    """(labels, vocabulary) of the base model without an adapter, in float64."""
    hidden = decoder.embed(batch)
    around = decoder.surroundings(batch, hidden)
    for block in decoder.blocks(None):
        hidden = block(hidden, around)
    normed = decoder.final_norm(hidden.index_select(0, batch.label_positions))
    logits: torch.Tensor = decoder.products.linear(normed, resident.head_weight)
    logits = soft_capped(logits, decoder.architecture.logit_cap)
    return logits.double().log_softmax(dim=-1)
