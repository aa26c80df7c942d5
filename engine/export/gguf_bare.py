"""A base model as a GGUF file of sizes and weights alone, for reading and writing token ids. Torch-free.

It has no tokenizer and no chat template: the engine's own turn texts into tokens. As a command it writes one file, in a
process of its own, so that neither its memory nor its work is in the engine's way:

    python -m engine.export.gguf_bare FOLDER TARGET Q8_0
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf

from engine.errors import UnsupportedModelError
from engine.export.gguf_base import FILE_TYPES, WeightFormat, add_weights, base_tensors
from engine.export.gguf_layout import GgufLayout, gguf_written_whole, read_model_config

LAYOUT_VERSION = 1
"""Raised when files that older versions wrote must be written again."""

_POLITENESS = 10


def write_bare_gguf(folder: Path, target: Path, format: WeightFormat) -> None:
    """Write the model in `folder` to `target`, replacing an older file.

    Args:
        folder: config.json and model.safetensors.
        format: of the matrices; vectors stay in float32.

    Raises:
        UnsupportedModelError: a file is missing or unreadable, or llama.cpp would compute another model.
        DiskFullError: no space left.
    """
    config = read_model_config(folder)
    layout = GgufLayout.of(config)
    with gguf_written_whole(target, layout.architecture) as writer:
        try:
            check_writable(folder, format)
            _describe(config, writer)
        except (KeyError, TypeError, ValueError) as failure:
            raise UnsupportedModelError(f"{folder}/config.json: {failure!r}") from failure
        writer.add_file_type(FILE_TYPES[format])
        if format == "Q8_0":
            writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        for name, weights in base_tensors(folder / "model.safetensors", layout):
            add_weights(writer, name, weights, format)


def check_writable(folder: Path, format: WeightFormat) -> None:
    """Find out by the sizes alone, before any work, that a file can be written.

    Raises:
        UnsupportedModelError: it can not.
    """
    config = read_model_config(folder)
    GgufLayout.of(config)
    rotary_base(config)
    if has_hidden_window(config):
        raise UnsupportedModelError("a sliding window is not written")
    block = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[format]][0]
    if any(int(config[name]) % block for name in ("hidden_size", "intermediate_size")):
        raise UnsupportedModelError(f"its rows are no whole blocks of {format}")


def rotary_base(config: Mapping[str, Any]) -> float:
    """The base of the rotary angles.

    Raises:
        UnsupportedModelError: the angles are scaled, which is not written.
    """
    rotation = config.get("rope_parameters") or config.get("rope_scaling") or {}
    kind = rotation.get("rope_type", "default")
    if kind != "default":
        raise UnsupportedModelError(f"rotary angles of kind {kind}")
    return float(rotation.get("rope_theta") or config.get("rope_theta") or 10000.0)


def has_hidden_window(config: Mapping[str, Any]) -> bool:
    """Whether a layer sees less than the whole context, which is not written."""
    is_on = config.get("model_type") == "mistral" or bool(config.get("use_sliding_window"))
    window = int(config.get("sliding_window") or 0)
    return is_on and 0 < window < int(config["max_position_embeddings"])


def _describe(config: Mapping[str, Any], writer: gguf.GGUFWriter) -> None:
    heads = int(config["num_attention_heads"])
    hidden = int(config["hidden_size"])
    head_size = int(config.get("head_dim") or hidden // heads)
    writer.add_context_length(int(config["max_position_embeddings"]))
    writer.add_embedding_length(hidden)
    writer.add_block_count(int(config["num_hidden_layers"]))
    writer.add_feed_forward_length(int(config["intermediate_size"]))
    writer.add_head_count(heads)
    writer.add_head_count_kv(int(config.get("num_key_value_heads") or heads))
    writer.add_key_length(head_size)
    writer.add_value_length(head_size)
    writer.add_rope_dimension_count(head_size)
    writer.add_rope_freq_base(rotary_base(config))
    writer.add_layer_norm_rms_eps(float(config["rms_norm_eps"]))
    writer.add_vocab_size(int(config["vocab_size"]))
    writer.add_tokenizer_model("no_vocab")


def main(folder: str, target: str, format: str) -> None:
    """Write one file and give way to whatever else wants to compute."""
    with contextlib.suppress(OSError):
        os.nice(_POLITENESS)
    write_bare_gguf(Path(folder), Path(target), format)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(*sys.argv[1:])
