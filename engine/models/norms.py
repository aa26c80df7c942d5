"""The normalisations of a block, ready to be used: with the family's offset in their weights, or absent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from engine.models.architecture import Architecture
from engine.models.frozen import widened
from engine.models.layers import rms_norm

Normalise = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True, slots=True)
class Norm:
    """Root-mean-square normalisation over the last dimension.

    Attributes:
        weight: (features,), frozen.
    """

    weight: torch.Tensor
    epsilon: float

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        return rms_norm(values, self.weight, self.epsilon)


@dataclass(frozen=True, slots=True)
class BlockNorms:
    """Those of one block; what a family lacks leaves everything as it is.

    Attributes:
        before_attention, before_feed: of the hidden states.
        after_attention, after_feed: of what is added to the hidden states.
        query, key: of each head.
    """

    before_attention: Normalise
    after_attention: Normalise
    before_feed: Normalise
    after_feed: Normalise
    query: Normalise | None
    key: Normalise | None


def norm_of(module: Any, architecture: Architecture) -> Norm:
    """A normalisation of transformers."""
    weight = module.weight
    if architecture.norm_offset:
        # In float32, as the library adds it: half precision would round the sum.
        weight = widened(weight.detach()) + architecture.norm_offset
    epsilon = module.eps if hasattr(module, "eps") else module.variance_epsilon
    return Norm(weight, float(epsilon))


def block_norms(layer: Any, architecture: Architecture) -> BlockNorms:
    """The normalisations of transformers' decoder layer."""
    attention = layer.self_attn
    heads = [
        norm_of(getattr(attention, name), architecture) if hasattr(attention, name) else None
        for name in ("q_norm", "k_norm")
    ]
    before = norm_of(layer.input_layernorm, architecture)
    second = norm_of(layer.post_attention_layernorm, architecture)
    if not architecture.has_exit_norms:
        return BlockNorms(before, _as_it_is, second, _as_it_is, *heads)
    before_feed = norm_of(layer.pre_feedforward_layernorm, architecture)
    after_feed = norm_of(layer.post_feedforward_layernorm, architecture)
    return BlockNorms(before, second, before_feed, after_feed, *heads)


def _as_it_is(values: torch.Tensor) -> torch.Tensor:
    return values
