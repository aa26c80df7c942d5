"""What sets the families of base models apart: a description of each, so that one way through the blocks serves all.

Torch-free. Nothing here computes; the parts that do read this description.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.errors import UnsupportedModelError

Gate = Literal["silu", "gelu"]

_GATES: Mapping[str, Gate] = {"silu": "silu", "gelu_pytorch_tanh": "gelu"}
"""By transformers' name of the activation."""

_STILL_ROTATIONS = frozenset({"default", "linear", "llama3", "yarn"})
"""Rotary positions whose angles do not depend on how long the conversation is."""

_FULL, _SLIDING = "full_attention", "sliding_attention"


@dataclass(frozen=True, slots=True)
class Scoring:
    """How a layer weighs what a query sees.

    Attributes:
        scale: of the products of query and key.
        cap: the scaled products are bent softly so that none goes beyond it (arXiv 2408.00118, section 2).
        window: the newest tokens that a query sees, its own among them (arXiv 2004.05150); None shows it all.
    """

    scale: float
    cap: float | None = None
    window: int | None = None


@dataclass(frozen=True, slots=True)
class LayerKind:
    """What sets the layers of one model apart.

    Attributes:
        rotation: transformers' name of the layer's rotary angles; None where all layers share one.
    """

    scoring: Scoring
    rotation: str | None = None


@dataclass(frozen=True, slots=True)
class _Family:
    """What a model type decides, and where its configuration tells the rest.

    Attributes:
        activation: key of the gate's activation.
        windows: whether a window counts for no layer, for every layer, or for those that layer_types names.
        norm_offset: added to the weights of every normalisation.
        has_exit_norms: whether attention and feed-forward are normalised once more before they are added.
        scale: key of the number whose inverse root scales the scores; the head's size where there is none.
        score_cap, logit_cap: keys of the caps.
        has_rotations: whether each kind of layer has rotary angles of its own.
    """

    activation: str = "hidden_act"
    windows: Literal["never", "always", "by_layer"] = "never"
    norm_offset: float = 0.0
    has_exit_norms: bool = False
    scale: str = ""
    score_cap: str = ""
    logit_cap: str = ""
    has_rotations: bool = False


_FAMILIES: Mapping[str, _Family] = {
    "llama": _Family(),
    "mistral": _Family(windows="always"),
    "qwen2": _Family(windows="by_layer"),
    "qwen3": _Family(windows="by_layer"),
    "gemma2": _Family(
        activation="hidden_activation",
        windows="by_layer",
        norm_offset=1.0,
        has_exit_norms=True,
        scale="query_pre_attn_scalar",
        score_cap="attn_logit_softcapping",
        logit_cap="final_logit_softcapping",
    ),
    # Without a cap of its scores, whatever the configuration says: transformers' layer has none.
    "gemma3_text": _Family(
        activation="hidden_activation",
        windows="by_layer",
        norm_offset=1.0,
        has_exit_norms=True,
        scale="query_pre_attn_scalar",
        logit_cap="final_logit_softcapping",
        has_rotations=True,
    ),
}

SUPPORTED_TYPES = tuple(_FAMILIES)
"""Model types that are trained and chatted with."""

CAPPED_TYPES = frozenset(name for name, family in _FAMILIES.items() if family.score_cap)
"""Those whose attention scores may have a cap."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """How the blocks of one base model are computed.

    Attributes:
        gate: activation of the feed-forward's gate.
        norm_offset: added to the weights of every normalisation.
        has_exit_norms: whether attention and feed-forward are normalised once more before they are added.
        logit_cap: the logits are bent softly so that none goes beyond it.
        has_still_rotations: whether no angle depends on how long the conversation is.
        layers: of each block.
    """

    gate: Gate
    norm_offset: float
    has_exit_norms: bool
    logit_cap: float | None
    has_still_rotations: bool
    layers: tuple[LayerKind, ...]

    @property
    def has_score_caps(self) -> bool:
        """Whether attention bends its scores, which no fused attention does."""
        return any(kind.scoring.cap is not None for kind in self.layers)

    @classmethod
    def of(cls, config: Any) -> Architecture:
        """The architecture of transformers' configuration.

        Raises:
            UnsupportedModelError: a block of it is computed in no way that is known here.
        """
        model_type = str(config.model_type)
        family = _FAMILIES.get(model_type)
        if family is None:
            raise UnsupportedModelError(f"model type {model_type}", model_type=model_type)
        activation = str(getattr(config, family.activation, None))
        if activation not in _GATES:
            raise UnsupportedModelError(f"activation {activation}", model_type=model_type)
        if getattr(config, "use_bidirectional_attention", None):
            raise UnsupportedModelError("attention looks ahead", model_type=model_type)
        return cls(
            _GATES[activation],
            family.norm_offset,
            family.has_exit_norms,
            _cap(config, family.logit_cap),
            all(kind in _STILL_ROTATIONS for kind in _rotation_kinds(config, family)),
            tuple(_layers(config, family)),
        )


def _layers(config: Any, family: _Family) -> Iterator[LayerKind]:
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    scale = (getattr(config, family.scale) if family.scale else size) ** -0.5
    cap = _cap(config, family.score_cap)
    for name in _layer_types(config, family):
        window = int(config.sliding_window) if name == _SLIDING else None
        yield LayerKind(Scoring(scale, cap, window), name if family.has_rotations else None)


def _layer_types(config: Any, family: _Family) -> list[str]:
    if family.windows == "by_layer":
        names = list(config.layer_types)
        if not set(names) <= {_FULL, _SLIDING}:
            raise UnsupportedModelError(f"layers {names}", model_type=config.model_type)
        return names
    has_window = family.windows == "always" and config.sliding_window is not None
    return [_SLIDING if has_window else _FULL] * int(config.num_hidden_layers)


def _rotation_kinds(config: Any, family: _Family) -> list[str]:
    found = getattr(config, "rope_parameters", None) or {}
    each = [values or {} for values in found.values()] if family.has_rotations else [found]
    return [str(values.get("rope_type", "default")) for values in each]


def _cap(config: Any, key: str) -> float | None:
    value = getattr(config, key) if key else None
    return None if value is None else float(value)
