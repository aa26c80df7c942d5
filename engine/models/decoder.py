"""The blocks of a base model over packed micro-batches, with one adapter: what training and evaluation compute.

The weights are those of the transformers model and of PEFT's layers in it; only the way through them is another: no
padding, a shared prefix once, layers with the same input in one product, and hand-written gradients. Chats have a way
of their own over the same weights (engine.inference.blocks).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from torch import nn
from torch.nn import functional

from engine.data.batching import MicroBatch
from engine.models.architecture import Architecture, LayerKind
from engine.models.attention import HeadCounts, PackedAttention
from engine.models.frozen import FrozenProjection
from engine.models.layers import gated_unit, rotary
from engine.models.norms import BlockNorms, block_norms, norm_of
from engine.models.products import Products
from engine.models.projection import AdaptedProjection, Target, TrainedBias
from engine.models.scores import attend_plain

PROJECTIONS = (
    ("self_attn", ("q_proj", "k_proj", "v_proj")),
    ("self_attn", ("o_proj",)),
    ("mlp", ("gate_proj", "up_proj")),
    ("mlp", ("down_proj",)),
)
"""Linear layers of a block that read the same input, in order of computation."""


Angles = Mapping[str | None, tuple[torch.Tensor, torch.Tensor]]
"""Cosine and sine of every token, (tokens, 1, head size / 2), by the layers' name of their rotation."""


@dataclass(frozen=True, slots=True)
class BlockParts:
    """What of a block is no projection.

    Attributes:
        kind: how its scores and its rotation differ from other layers'.
    """

    kind: LayerKind
    norms: BlockNorms


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all blocks of a pass share.

    Attributes:
        attention: of the micro-batch.
        generator: draws dropout; None when nothing is dropped.
    """

    angles: Angles
    attention: PackedAttention
    generator: torch.Generator | None = None


class Block:
    """One transformer block with one adapter on it.

    Args:
        projections: in the order of PROJECTIONS.
    """

    def __init__(
        self,
        parts: BlockParts,
        architecture: Architecture,
        projections: Sequence[AdaptedProjection],
    ) -> None:
        self._kind, self._norms = parts.kind, parts.norms
        self._gate = architecture.gate
        self._qkv, self._o, self._gate_up, self._down = projections

    def __call__(
        self, hidden: torch.Tensor, around: Surroundings, kept: torch.Tensor | None = None
    ) -> torch.Tensor:
        """(tokens, hidden size) to the same, or to the `kept` tokens alone.

        Args:
            kept: (kept tokens,), int64: the only ones that anybody reads after this block.
        """
        norms, generator = self._norms, around.generator
        both = self._qkv(norms.before_attention(hidden), generator)
        seen = self._attend(both, around)
        if kept is not None:
            seen, hidden = seen.index_select(0, kept), hidden.index_select(0, kept)
        hidden = norms.after_attention(self._o(seen, generator)) + hidden
        gates = self._gate_up(norms.before_feed(hidden), generator)
        fed = self._down(gated_unit(gates, self._gate), generator)
        return norms.after_feed(fed) + hidden

    def _attend(self, both: torch.Tensor, around: Surroundings) -> torch.Tensor:
        heads = around.attention.heads
        both = heads_normed(both, self._norms, heads)
        both = rotary(both, *around.angles[self._kind.rotation], heads.query + heads.key)
        return around.attention(both, self._kind.scoring)


def heads_normed(both: torch.Tensor, norms: BlockNorms, heads: HeadCounts) -> torch.Tensor:
    """Query and key normalised head by head, in those families that do so."""
    if norms.query is None or norms.key is None:
        return both
    parts = list(both.unflatten(1, (-1, heads.size)).split([heads.query, heads.key, heads.key], 1))
    parts[:2] = norms.query(parts[0]), norms.key(parts[1])
    return torch.cat(parts, dim=1).flatten(1)


class PackedDecoder:
    """The decoder of a resident model, ready for packed micro-batches.

    Args:
        decoder: transformers' decoder (embedding, layers, rotary_emb, norm).
        products: how to multiply with frozen weights.
        is_attention_fused: whether torch's fused attention may be used.

    Attributes:
        architecture: how its blocks are computed.
        parts: of each block.
        frozen: of each block its frozen weights, in the order of PROJECTIONS.
        heads: of every block.
        final_norm: (tokens, hidden size), ready for the head.
    """

    def __init__(
        self, decoder: Any, products: Products, *, is_attention_fused: bool = True
    ) -> None:
        self._decoder = decoder
        self.architecture = Architecture.of(decoder.config)
        self.parts = [
            BlockParts(kind, block_norms(layer, self.architecture))
            for kind, layer in zip(self.architecture.layers, decoder.layers, strict=True)
        ]
        self.final_norm = norm_of(decoder.norm, self.architecture)
        self.products = products
        self._attend = (
            functional.scaled_dot_product_attention if is_attention_fused else attend_plain
        )
        self.frozen = [
            [
                FrozenProjection(
                    [_base_layer(getattr(getattr(layer, part), name)) for name in names]
                )
                for part, names in PROJECTIONS
            ]
            for layer in decoder.layers
        ]
        size = int(decoder.layers[0].self_attn.head_dim)
        q_part, k_part, _v_part = self.frozen[0][0].outputs
        self.heads = HeadCounts(q_part.stop // size, (k_part.stop - k_part.start) // size, size)

    def blocks(
        self, adapter: str | None, biases: Mapping[nn.Module, nn.Parameter] | None = None
    ) -> list[Block]:
        """All blocks, with the named adapter's weights as they are held by PEFT's layers.

        Args:
            biases: the adapter's trained biases by the base model's linear layers.
        """
        return [
            Block(parts, self.architecture, self._projections(layer, frozen, adapter, biases or {}))
            for parts, layer, frozen in zip(
                self.parts, self._decoder.layers, self.frozen, strict=True
            )
        ]

    def embed(self, batch: MicroBatch) -> torch.Tensor:
        """(tokens, hidden size)."""
        embedded: torch.Tensor = self._decoder.embed_tokens(batch.input_ids)
        return embedded

    def angles(self, hidden: torch.Tensor, positions: torch.Tensor) -> Angles:
        """The rotary angles of tokens.

        Args:
            hidden: the embedded tokens; their dtype counts.
            positions: (tokens,), int64.
        """
        found = {}
        for name in dict.fromkeys(kind.rotation for kind in self.architecture.layers):
            named = () if name is None else (name,)
            both = self._decoder.rotary_emb(hidden.unsqueeze(0), positions.unsqueeze(0), *named)
            # The angles of a pair stand in both halves.
            cosine, sine = (part[0, :, None, : part.shape[-1] // 2] for part in both)
            found[name] = cosine, sine
        return found

    def surroundings(
        self, batch: MicroBatch, hidden: torch.Tensor, generator: torch.Generator | None = None
    ) -> Surroundings:
        """What the blocks need beside the hidden states.

        Args:
            batch: on the device of the decoder.
            hidden: the embedded tokens; their dtype counts.
            generator: draws dropout, while training.
        """
        attention = PackedAttention(batch, self.heads, hidden.device, hidden.dtype, self._attend)
        return Surroundings(self.angles(hidden, batch.positions), attention, generator)

    def _projections(
        self,
        layer: Any,
        frozen: Sequence[FrozenProjection],
        adapter: str | None,
        biases: Mapping[nn.Module, nn.Parameter],
    ) -> list[AdaptedProjection]:
        projections = []
        for (part, names), projection in zip(PROJECTIONS, frozen, strict=True):
            modules = [getattr(getattr(layer, part), name) for name in names]
            pairs = list(zip(modules, projection.outputs, strict=True))
            targets = [
                _target(module, outputs, adapter)
                for module, outputs in pairs
                if adapter is not None and _has_adapter(module, adapter)
            ]
            trained = [
                TrainedBias(outputs, biases[_base_layer(module)])
                for module, outputs in pairs
                if _base_layer(module) in biases
            ]
            dropout = max((_dropout(module, adapter) for module in modules), default=0.0)
            projections.append(
                AdaptedProjection(
                    projection, targets, self.products, biases=trained, dropout=dropout
                )
            )
        return projections


def _base_layer(module: Any) -> Any:
    return module.base_layer if isinstance(module, LoraLayer) else module


def _has_adapter(module: Any, adapter: str) -> bool:
    return isinstance(module, LoraLayer) and adapter in module.lora_A


def _target(module: Any, outputs: slice, adapter: str) -> Target:
    magnitude = None
    if adapter in getattr(module, "lora_magnitude_vector", {}):
        magnitude = module.lora_magnitude_vector[adapter].weight
    return Target(
        outputs,
        module.lora_A[adapter].weight,
        module.lora_B[adapter].weight,
        float(module.scaling[adapter]),
        magnitude,
    )


def _dropout(module: Any, adapter: str | None) -> float:
    if adapter is None or not _has_adapter(module, adapter):
        return 0.0
    return float(getattr(module.lora_dropout[adapter], "p", 0.0))
