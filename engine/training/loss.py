"""Cross-entropy at the learned positions only, in chunks, with its gradient written down by hand.

The head is the dearest single product of a small model, and most positions carry no loss; so hidden states are gathered
at the learned positions first. The head is frozen: only the gradient with respect to the hidden states is needed, and
it is computed in the same pass, so that logits never live longer than one chunk.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from engine.data.batching import IGNORED, MicroBatch

CHUNK_POSITIONS = 128
"""Positions per product with the head; between chunks a cancel is heard."""


class _HeadLoss(torch.autograd.Function):
    """Sum over positions of -log softmax(hidden @ head.T)[label]; d/d logits is softmax minus one-hot."""

    @staticmethod
    def forward(
        context: torch.autograd.function.FunctionCtx,
        hidden: torch.Tensor,
        head: torch.Tensor,
        labels: torch.Tensor,
        check: Callable[[], None],
    ) -> torch.Tensor:
        needs_gradient = context.needs_input_grad[0]  # type: ignore[attr-defined]
        gradient = torch.empty_like(hidden) if needs_gradient else None
        total = torch.zeros((), dtype=_loss_dtype(hidden), device=hidden.device)
        for start in range(0, len(labels), CHUNK_POSITIONS):
            check()
            part = slice(start, start + CHUNK_POSITIONS)
            wanted = labels[part].unsqueeze(1)
            logits = (hidden[part] @ head.T).to(total.dtype)  # (positions, vocabulary)
            log_sum = torch.logsumexp(logits, dim=1, keepdim=True)
            total += (log_sum - logits.gather(1, wanted)).sum()
            if gradient is not None:
                probabilities = logits.sub_(log_sum).exp_()
                probabilities.scatter_add_(1, wanted, torch.full_like(log_sum, -1.0))
                gradient[part] = probabilities.to(head.dtype) @ head
        if gradient is not None:
            context.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(
        context: torch.autograd.function.FunctionCtx, *upstream: torch.Tensor
    ) -> tuple[torch.Tensor, None, None, None]:
        (gradient,) = context.saved_tensors  # type: ignore[attr-defined]
        return gradient * upstream[0].to(gradient.dtype), None, None, None


def label_loss_sum(
    decoder: nn.Module,
    head: torch.Tensor,
    batch: MicroBatch,
    check: Callable[[], None] = lambda: None,
) -> torch.Tensor:
    """Sum of the negative log-likelihoods (nats) of a micro-batch's labels.

    Divide it by the labels of the *whole* batch, not of the micro-batch: then any cut of a batch into micro-batches
    gives the same gradient.

    Args:
        decoder: token ids to hidden states, (rows, length, hidden).
        head: output projection, (vocabulary, hidden), frozen and without bias.
        batch: on the device of the decoder.
        check: called between chunks; may raise to stop.

    Returns:
        A float32 scalar (float64 for a float64 model).
    """
    has_padding = batch.token_count < batch.input_ids.numel()
    hidden = decoder(
        input_ids=batch.input_ids,
        attention_mask=batch.attention_mask if has_padding else None,
        use_cache=False,
    ).last_hidden_state
    is_learned = batch.labels != IGNORED
    apply: Callable[..., torch.Tensor] = _HeadLoss.apply
    return apply(hidden[is_learned], head, batch.labels[is_learned], check)


def _loss_dtype(hidden: torch.Tensor) -> torch.dtype:
    return torch.float64 if hidden.dtype == torch.float64 else torch.float32
