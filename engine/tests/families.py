"""Tiny models of the other families, in which all that sets a family apart takes effect.

Windows are far shorter than any prompt, caps bend what they cap, and no number is the one that it is by default.
"""

from __future__ import annotations

from typing import Any

WINDOW = 9

FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "mistral": ("mistral", {}),
    "mistral with a window": ("mistral", {"sliding_window": WINDOW}),
    "qwen2": ("qwen2", {}),
    "qwen2 with a window": (
        "qwen2", {"use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 1},
    ),
    "qwen3": ("qwen3", {}),
    "qwen3 with a window": (
        "qwen3", {"use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 0},
    ),
    "gemma2": (
        "gemma2",
        {
            "sliding_window": WINDOW,
            "query_pre_attn_scalar": 7,
            "attn_logit_softcapping": 3.0,
            "final_logit_softcapping": 12.0,
        },
    ),
    "gemma2 without caps": (
        "gemma2", {"attn_logit_softcapping": None, "final_logit_softcapping": None},
    ),
    "gemma3": (
        "gemma3_text",
        {
            "sliding_window": WINDOW,
            "query_pre_attn_scalar": 7,
            "num_hidden_layers": 3,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
            "rope_parameters": {
                "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
                "full_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 900.0},
            },
        },
    ),
    "gemma3 with caps": (
        "gemma3_text",
        {"attn_logit_softcapping": 1.0, "final_logit_softcapping": 10.0, "sliding_window": WINDOW},
    ),
}  # fmt: skip
"""transformers' model type and what its configuration says."""
