"""The linear layers that an adapter may stand beside, and short names for several of them."""

from __future__ import annotations

TARGET_MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""Linear layers of a Llama-family block, in order of computation."""

MODULE_SETS: dict[str, tuple[str, ...]] = {
    "attention": ("q_proj", "k_proj", "v_proj", "o_proj"),
    "feed-forward": ("gate_proj", "up_proj", "down_proj"),
    "all-linear": TARGET_MODULES,
}
"""Short names for several target modules, legal wherever their names are."""
