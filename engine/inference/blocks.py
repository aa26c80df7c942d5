"""The forward pass of a chat: rows of many conversations through the blocks of a resident model at once.

The weights are those that training multiplies with. What differs between a step of decoding and a pass of reading, the
attention and the adapters, is handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol

import torch

from engine.models.chat_precision import HEAD, Linears, RowsLinear
from engine.models.decoder import PROJECTIONS, heads_normed
from engine.models.frozen import FrozenProjection
from engine.models.layers import gated_unit, rms_norm, rotary

if TYPE_CHECKING:
    from engine.models.loading import ResidentModel

BATCHED_TYPES = frozenset({"llama", "mistral", "qwen2", "qwen3"})
"""Model types whose blocks are computed here."""

_STILL_ROTATIONS = frozenset({"default", "linear", "llama3", "yarn"})
"""Rotary positions whose angles do not depend on how long the conversation is."""

QKV, OUT, GATE_UP, DOWN = range(len(PROJECTIONS))


class Attend(Protocol):
    """Attention with what each row has seen before."""

    def __call__(self, layer: int, heads: torch.Tensor) -> torch.Tensor:
        """(rows, (query + 2 key heads) x size), rotated, to (rows, query heads x size); keeps keys and values."""


class Adapt(Protocol):
    """The adapters of the rows."""

    def __call__(
        self, layer: int, projection: int, inputs: torch.Tensor, outputs: torch.Tensor
    ) -> None:
        """Change the outputs of a frozen projection, in place."""


@dataclass(frozen=True, slots=True)
class _Block:
    layer: Any
    linears: tuple[RowsLinear, ...]
    biases: tuple[torch.Tensor | None, ...]


def is_batched(resident: ResidentModel) -> bool:
    """Whether the conversations of this model can be decoded together."""
    config = resident.model.config
    rotation = getattr(config, "rope_parameters", None) or {}
    return (
        config.model_type in BATCHED_TYPES
        and rotation.get("rope_type", "default") in _STILL_ROTATIONS
    )


class ChatBlocks:
    """The blocks and the head of a resident model.

    Args:
        linears: how to multiply with the frozen projections and the head, where it is not the resident model's way.
    """

    def __init__(self, resident: ResidentModel, linears: Linears | None = None) -> None:
        self._decoder = resident.decoder
        self.heads = resident.packed.heads
        self._blocks = [
            _Block(
                layer,
                tuple(_linear(resident, item, linears) for item in frozen),
                tuple(item.bias for item in frozen),
            )
            for layer, frozen in zip(self._decoder.layers, resident.packed.frozen, strict=True)
        ]
        self._head = _linear(resident, HEAD, linears)

    def hidden(
        self, token_ids: torch.Tensor, positions: torch.Tensor, attend: Attend, adapt: Adapt
    ) -> torch.Tensor:
        """(rows, hidden size) after the last normalisation.

        Args:
            token_ids, positions: (rows,), int64.
        """
        hidden: torch.Tensor = self._decoder.embed_tokens(token_ids)
        cosine, sine = self._decoder.rotary_emb(hidden.unsqueeze(0), positions.unsqueeze(0))
        half = cosine.shape[-1] // 2
        # The angles of a pair stand in both halves.
        angles = (cosine[0, :, None, :half], sine[0, :, None, :half])
        for index, block in enumerate(self._blocks):
            through = partial(_through, block, index, adapt)
            hidden = self._block(block, hidden, angles, partial(attend, index), through)
        return _normed(self._decoder.norm, hidden)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """(rows, vocabulary), float32."""
        return self._head(hidden).float()

    def _block(
        self,
        block: _Block,
        hidden: torch.Tensor,
        angles: tuple[torch.Tensor, torch.Tensor],
        attend: Callable[[torch.Tensor], torch.Tensor],
        through: Callable[[int, torch.Tensor], torch.Tensor],
    ) -> torch.Tensor:
        layer, heads = block.layer, self.heads
        both = through(QKV, _normed(layer.input_layernorm, hidden))
        attention = layer.self_attn
        if hasattr(attention, "q_norm"):
            both = heads_normed(both, attention, heads)
        both = rotary(both, *angles, heads.query + heads.key)
        hidden = through(OUT, attend(both)).add_(hidden)
        gates = through(GATE_UP, _normed(layer.post_attention_layernorm, hidden))
        return through(DOWN, gated_unit(gates)).add_(hidden)


def _linear(
    resident: ResidentModel, key: FrozenProjection | Literal["head"], linears: Linears | None
) -> RowsLinear:
    if linears is not None and key in linears:
        return linears[key]
    products = resident.packed.products
    if isinstance(key, FrozenProjection):
        return lambda rows: products.linear(rows, key.weight)
    return lambda rows: products.linear(rows, resident.head_weight)


def _normed(norm: Any, values: torch.Tensor) -> torch.Tensor:
    return rms_norm(values, norm.weight, norm.variance_epsilon)


def _through(
    block: _Block, layer: int, adapt: Adapt, projection: int, inputs: torch.Tensor
) -> torch.Tensor:
    """A frozen projection with the rows' adapters and the bias."""
    outputs = block.linears[projection](inputs)
    # Before the bias: an adapter that learns sizes (DoRA) scales the product alone.
    adapt(layer, projection, inputs, outputs)
    bias = block.biases[projection]
    return outputs if bias is None else outputs.add_(bias)
