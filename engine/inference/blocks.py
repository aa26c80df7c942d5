"""The forward pass of a chat: rows of many conversations through the blocks of a resident model at once.

The weights are those that training multiplies with. What differs between a step of decoding and a pass of reading, the
attention and the adapters, is handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol

import torch

from engine.models.architecture import Scoring
from engine.models.chat_precision import HEAD, Linears, RowsLinear
from engine.models.decoder import PROJECTIONS, BlockParts, heads_normed
from engine.models.frozen import FrozenProjection
from engine.models.layers import gated_unit
from engine.models.scores import soft_capped

if TYPE_CHECKING:
    from engine.models.loading import ResidentModel

QKV, OUT, GATE_UP, DOWN = range(len(PROJECTIONS))


class Attend(Protocol):
    """Attention with what each row has seen before."""

    def __call__(self, layer: int, heads: torch.Tensor, scoring: Scoring) -> torch.Tensor:
        """(rows, (query + 2 key heads) x size), rotated, to (rows, query heads x size); keeps keys and values."""


class Adapt(Protocol):
    """The adapters of the rows."""

    def __call__(
        self, layer: int, projection: int, inputs: torch.Tensor, outputs: torch.Tensor
    ) -> None:
        """Change the outputs of a frozen projection, in place."""


@dataclass(frozen=True, slots=True)
class _Block:
    parts: BlockParts
    linears: tuple[RowsLinear, ...]
    biases: tuple[torch.Tensor | None, ...]


def is_batched(resident: ResidentModel) -> bool:
    """Whether the conversations of this model can be decoded together."""
    return resident.packed.architecture.has_still_rotations


class ChatBlocks:
    """The blocks and the head of a resident model.

    Args:
        linears: how to multiply with the frozen projections and the head, where it is not the resident model's way.
    """

    def __init__(self, resident: ResidentModel, linears: Linears | None = None) -> None:
        self._embed = resident.decoder.embed_tokens
        self._packed = resident.packed
        self._architecture = resident.packed.architecture
        self.heads = resident.packed.heads
        self._blocks = [
            _Block(
                parts,
                tuple(_linear(resident, item, linears) for item in frozen),
                tuple(item.bias for item in frozen),
            )
            for parts, frozen in zip(resident.packed.parts, resident.packed.frozen, strict=True)
        ]
        self._head = _linear(resident, HEAD, linears)

    def hidden(
        self, token_ids: torch.Tensor, positions: torch.Tensor, attend: Attend, adapt: Adapt
    ) -> torch.Tensor:
        """(rows, hidden size) after the last normalisation.

        Args:
            token_ids, positions: (rows,), int64.
        """
        hidden: torch.Tensor = self._embed(token_ids)
        angles = {
            name: (torch.cat([cosine, cosine], dim=-1), torch.cat([-sine, sine], dim=-1))
            for name, (cosine, sine) in self._packed.angles(hidden, positions).items()
        }
        for index, block in enumerate(self._blocks):
            through = partial(_through, block, index, adapt)
            own = angles[block.parts.kind.rotation]
            hidden = self._block(block, hidden, own, partial(attend, index), through)
        return self._packed.final_norm(hidden)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """(rows, vocabulary), float32."""
        return soft_capped(self._head(hidden).float(), self._architecture.logit_cap)

    def _block(
        self,
        block: _Block,
        hidden: torch.Tensor,
        angles: tuple[torch.Tensor, torch.Tensor],
        attend: Callable[[torch.Tensor, Scoring], torch.Tensor],
        through: Callable[[int, torch.Tensor], torch.Tensor],
    ) -> torch.Tensor:
        norms, heads = block.parts.norms, self.heads
        both = heads_normed(through(QKV, norms.before_attention(hidden)), norms, heads)
        _rotate(both, *angles, heads.query + heads.key)
        seen = attend(both, block.parts.kind.scoring)
        hidden = norms.after_attention(through(OUT, seen)).add_(hidden)
        gates = through(GATE_UP, norms.before_feed(hidden))
        fed = through(DOWN, gated_unit(gates, self._architecture.gate))
        return norms.after_feed(fed).add_(hidden)


def _linear(
    resident: ResidentModel, key: FrozenProjection | Literal["head"], linears: Linears | None
) -> RowsLinear:
    if linears is not None and key in linears:
        return linears[key]
    products = resident.packed.products
    if isinstance(key, FrozenProjection):
        return lambda rows: products.linear(rows, key.weight)
    return lambda rows: products.linear(rows, resident.head_weight)


def _rotate(
    values: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor, rotated_count: int
) -> None:
    """engine.models.layers.rotary in place, in as few operations as go: of one row, each costs more than its work.

    Args:
        cosine, sine: (rows, 1, head size), for the halves of a head side by side; the sine of the first is negative.
    """
    size = cosine.shape[-1]
    turned = values[:, : rotated_count * size].view(len(values), rotated_count, size)
    first, second = turned.chunk(2, dim=-1)
    swapped = torch.cat([second, first], dim=-1)
    turned.mul_(cosine).addcmul_(swapped, sine)


def _through(
    block: _Block, layer: int, adapt: Adapt, projection: int, inputs: torch.Tensor
) -> torch.Tensor:
    """A frozen projection with the rows' adapters and the bias."""
    outputs = block.linears[projection](inputs)
    # Before the bias: an adapter that learns sizes (DoRA) scales the product alone.
    adapt(layer, projection, inputs, outputs)
    bias = block.biases[projection]
    return outputs if bias is None else outputs.add_(bias)
