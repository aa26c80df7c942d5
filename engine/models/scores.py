"""The scores of attention in plain operations: what a query may see, soft caps, and attention spelled out."""

from __future__ import annotations

import torch


def soft_capped(values: torch.Tensor, cap: float | None) -> torch.Tensor:
    """cap tanh(values / cap): nearly the values where they are small, and never beyond the cap (arXiv 2408.00118)."""
    return values if cap is None else torch.tanh(values / cap) * cap


def hidden_mask(
    seen: int, count: int, window: int | None, device: torch.device, dtype: torch.dtype
) -> torch.Tensor:
    """(count, seen + count): minus infinity where a query sees nothing, zero elsewhere.

    Args:
        seen: keys before the first query.
        count: queries, and their own keys.
        window: the newest keys that a query sees, its own among them; None shows all that are not ahead.
    """
    minus_infinity = torch.full((count, seen + count), float("-inf"), dtype=dtype)
    mask = minus_infinity.triu(seen + 1)
    if window is not None:
        mask += minus_infinity.tril_(seen - window)
    return mask.to(device)


def attend_plain(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    *,
    is_causal: bool = False,
    enable_gqa: bool = False,
    scale: float | None = None,
    cap: float | None = None,
) -> torch.Tensor:
    """softmax(q k' / sqrt(size) + mask) v in plain operations (arXiv 1706.03762, equation 1).

    Takes torch's scaled_dot_product_attention's place where that can not be trusted or has no cap.

    Args:
        scale: in place of 1 / sqrt(size).
        cap: of the scaled scores.
    """
    if enable_gqa:
        groups = query.shape[1] // key.shape[1]
        key, value = (part.repeat_interleave(groups, dim=1) for part in (key, value))
    scores = query @ key.transpose(-1, -2) * (query.shape[-1] ** -0.5 if scale is None else scale)
    scores = soft_capped(scores, cap)
    if is_causal:
        attn_mask = hidden_mask(0, scores.shape[-1], None, scores.device, scores.dtype)
    if attn_mask is not None:
        scores = scores + attn_mask
    return torch.softmax(scores, dim=-1) @ value
