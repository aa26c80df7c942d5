"""A prepared base model as one GGUF file that llama.cpp reads, in the precision that is asked for. Torch-free.

Everything but the weights comes from a GGUF file of the same model, the bundled one: its tokenizer, its chat template
and its sizes stay as they are. Weights come from the folder that the engine trains on, so both compute the same model.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import gguf
import numpy as np
from safetensors import SafetensorError, safe_open

from engine.errors import UnsupportedModelError
from engine.export.gguf_layout import GgufLayout, gguf_written_whole, read_model_config

WeightFormat = Literal["F32", "F16", "Q8_0"]
WEIGHT_FORMATS: tuple[WeightFormat, ...] = ("F32", "F16", "Q8_0")

FILE_TYPES = {
    "F32": gguf.LlamaFileType.ALL_F32,
    "F16": gguf.LlamaFileType.MOSTLY_F16,
    "Q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
}
_WRITTEN_ANEW = ("general.architecture", "general.file_type", "general.quantization_version")


def write_base_gguf(folder: Path, described_by: Path, target: Path, format: WeightFormat) -> None:
    """Write the model in `folder` to `target`, replacing an older file.

    Args:
        folder: config.json and model.safetensors.
        described_by: a GGUF file of the same model in any precision.
        format: of the matrices; vectors stay in float32.

    Raises:
        UnsupportedModelError: a file is missing or unreadable, or the two are different models.
        DiskFullError: no space left.
    """
    layout = GgufLayout.of(read_model_config(folder))
    try:
        reader = gguf.GGUFReader(described_by)
    except (OSError, ValueError) as failure:
        raise UnsupportedModelError(f"{described_by}: {failure}") from failure
    shapes = {
        tensor.name: tuple(int(size) for size in tensor.shape[::-1]) for tensor in reader.tensors
    }
    with gguf_written_whole(target, layout.architecture) as writer:
        _copy_description(reader, writer)
        writer.add_file_type(FILE_TYPES[format])
        if format == "Q8_0":
            writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        for name, weights in base_tensors(folder / "model.safetensors", layout):
            if shapes.pop(name, None) != weights.shape:
                raise UnsupportedModelError(f"{name} {weights.shape} is of another model")
            add_weights(writer, name, weights, format)
        if shapes:
            raise UnsupportedModelError(f"the weights lack {sorted(shapes)[:3]}")


def _copy_description(reader: gguf.GGUFReader, writer: gguf.GGUFWriter) -> None:
    for field in reader.fields.values():
        if field.name in _WRITTEN_ANEW or field.name.startswith("GGUF."):
            continue
        is_list = field.types[0] == gguf.GGUFValueType.ARRAY
        writer.add_key_value(
            field.name, field.contents(), field.types[0], field.types[-1] if is_list else None
        )


def base_tensors(weights: Path, layout: GgufLayout) -> Iterator[tuple[str, np.ndarray]]:
    """llama.cpp's name and float32 weights in its order, one at a time.

    Raises:
        UnsupportedModelError: the file is missing or unreadable, or holds a weight without such a name.
    """
    try:
        with safe_open(weights, framework="np") as file:
            for key in file.keys():  # noqa: SIM118 - it is no mapping
                name = layout.name(key)
                tensor = file.get_tensor(key).astype(np.float32, copy=False)
                yield name, layout.ordered(name, tensor)
    except (OSError, SafetensorError) as failure:
        raise UnsupportedModelError(f"{weights}: {failure}") from failure


def add_weights(
    writer: gguf.GGUFWriter, name: str, weights: np.ndarray, format: WeightFormat
) -> None:
    """Add a weight in a format; a vector stays in float32.

    Raises:
        UnsupportedModelError: rows are too short for the format's blocks.
    """
    if weights.ndim == 1 or format == "F32":
        writer.add_tensor(name, weights)
    elif format == "F16":
        writer.add_tensor(name, weights.astype(np.float16))
    else:
        kind = gguf.GGMLQuantizationType.Q8_0
        if weights.shape[-1] % gguf.GGML_QUANT_SIZES[kind][0]:
            raise UnsupportedModelError(f"rows of {name} are no whole blocks of {format}")
        writer.add_tensor(name, gguf.quantize(weights, kind), raw_dtype=kind)
