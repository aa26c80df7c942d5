"""Cross-entropy of the learned positions with its gradient written down by hand.

The head is the dearest single product of a small model, and it is frozen: only the gradient with respect to the hidden
states is needed. It is computed in the same pass, so no logits outlive it and none are computed twice.
"""

from __future__ import annotations

import torch

from engine.models.frozen import widened
from engine.models.products import Products
from engine.models.scores import soft_capped

CHUNK_POSITIONS = 256
"""Positions per product with the head: bounds the memory of the logits, and lets other work in between."""


def head_loss(
    normed: torch.Tensor,
    head: torch.Tensor,
    labels: torch.Tensor,
    products: Products,
    cap: float | None = None,
) -> torch.Tensor:
    """Sum over positions of -log softmax(normed head')[label], in nats.

    Args:
        normed: (positions, hidden size), after the final normalisation.
        head: output projection, (vocabulary, hidden size), without bias.
        labels: (positions,), int64.
        products: how to multiply with the head.
        cap: soft bound of the logits (engine.models.scores.soft_capped).

    Returns:
        A float32 scalar (float64 for a float64 model).
    """
    logits = soft_capped(_logits(normed, head, products), cap)
    chosen = logits.gather(1, labels.unsqueeze(1)).squeeze(1)
    return (torch.logsumexp(logits, dim=1) - chosen).sum()


def head_loss_and_gradient(
    normed: torch.Tensor,
    head: torch.Tensor,
    labels: torch.Tensor,
    products: Products,
    cap: float | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """head_loss and its gradient with respect to `normed`: (softmax - one-hot) head, bent by the cap.

    Returns:
        The scalar of head_loss, and (positions, hidden size) in the dtype of `normed`.
    """
    logits = _logits(normed, head, products)
    if cap is not None:
        return _capped_loss_and_gradient(logits, head, labels, products, cap)
    chosen = logits.gather(1, labels.unsqueeze(1)).squeeze(1)
    largest = logits.amax(dim=1)
    # In place: the logits are the largest tensor of a step, and every pass over them counts.
    weights = logits.sub_(largest.unsqueeze(1)).exp_()
    total = weights.sum(dim=1)
    loss_sum = (total.log() + largest - chosen).sum()
    expected = products.times(weights.to(head.dtype), head).div_(total.to(head.dtype).unsqueeze(1))
    return loss_sum, expected.sub_(head[labels])


def _capped_loss_and_gradient(
    logits: torch.Tensor, head: torch.Tensor, labels: torch.Tensor, products: Products, cap: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """With z the logits and c = cap tanh(z / cap): dz = (softmax(c) - one-hot) (1 - tanh(z / cap)^2)."""
    bent = logits.div_(cap).tanh_()
    logs = torch.log_softmax(bent * cap, dim=1)
    places = labels.unsqueeze(1)
    loss_sum = -logs.gather(1, places).sum()
    weights = logs.exp_()
    weights.scatter_add_(1, places, weights.new_full(places.shape, -1.0))
    weights.addcmul_(weights, bent.square_(), value=-1)
    return loss_sum, products.times(weights.to(head.dtype), head)


def _logits(normed: torch.Tensor, head: torch.Tensor, products: Products) -> torch.Tensor:
    """(positions, vocabulary); half precision is widened, since the sum over a vocabulary needs float32."""
    return widened(products.linear(normed, head))
