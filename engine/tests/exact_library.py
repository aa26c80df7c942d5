"""The library's model in float64, exact enough to hold gradients against."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch.nn import functional
from transformers.models.gemma2 import modeling_gemma2


def compute_in_double(model: Any) -> None:
    """Make a model of transformers compute in float64 throughout.

    It normalises in float32 whatever comes in, and so does Gemma 2's attention with its probabilities: too coarse to
    compare with.
    """
    model.double()
    for module in model.modules():
        if hasattr(module, "variance_epsilon"):
            module.forward = partial(_normed, module)
        elif type(module).__name__.startswith("Gemma") and hasattr(module, "eps"):
            module.forward = partial(_gemma_normed, module)
    # Where it is already exact, as for every other test, nothing is changed.
    modeling_gemma2.eager_attention_forward = _gemma_attention


def _normed(norm: Any, hidden: torch.Tensor) -> torch.Tensor:
    return functional.rms_norm(hidden, norm.weight.shape, norm.weight, norm.variance_epsilon)


def _gemma_normed(norm: Any, hidden: torch.Tensor) -> torch.Tensor:
    return functional.rms_norm(hidden, norm.weight.shape, 1 + norm.weight, norm.eps)


def _gemma_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor,
    *,
    scaling: float,
    softcap: float | None = None,
    **_options: Any,
) -> tuple[torch.Tensor, None]:
    groups = module.num_key_value_groups
    key, value = (part.repeat_interleave(groups, dim=1) for part in (key, value))
    scores = query @ key.transpose(2, 3) * scaling
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    seen = torch.softmax(scores + attention_mask, dim=-1) @ value
    return seen.transpose(1, 2).contiguous(), None
