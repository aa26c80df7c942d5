"""How llama.cpp names and orders the weights of a model that transformers knows by other names. Torch-free."""

from __future__ import annotations

import json
import logging
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from engine.durable import disk_full_told, sync_folder
from engine.errors import UnsupportedModelError

# It tells every file that is written.
logging.getLogger("gguf").setLevel(logging.WARNING)

_ARCHITECTURES = {
    "llama": gguf.MODEL_ARCH.LLAMA,
    "mistral": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2,
    "qwen3": gguf.MODEL_ARCH.QWEN3,
}
_SUFFIXES = (".weight", ".bias")


@dataclass(frozen=True, slots=True)
class GgufLayout:
    """The layout of one model.

    Attributes:
        architecture: llama.cpp's name of it.
        query_heads, key_heads: of each block.
        names: from transformers' module names to llama.cpp's.
    """

    architecture: str
    query_heads: int
    key_heads: int
    names: gguf.TensorNameMap

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> GgufLayout:
        """The layout of a model by its config.json.

        Raises:
            UnsupportedModelError: its architecture is none of those known here.
        """
        kind = str(config.get("model_type"))
        if kind not in _ARCHITECTURES:
            raise UnsupportedModelError(f"no GGUF layout for {kind}", model_type=kind)
        architecture = _ARCHITECTURES[kind]
        query_heads = int(config["num_attention_heads"])
        return cls(
            gguf.MODEL_ARCH_NAMES[architecture],
            query_heads,
            int(config.get("num_key_value_heads") or query_heads),
            gguf.get_tensor_name_map(architecture, int(config["num_hidden_layers"])),
        )

    def name(self, parameter: str) -> str:
        """llama.cpp's name of a parameter, or of a module when it has no suffix.

        Raises:
            UnsupportedModelError: the architecture has no such parameter.
        """
        found: str | None = self.names.get_name(parameter, try_suffixes=_SUFFIXES)
        if found is None:
            raise UnsupportedModelError(f"{parameter} has no GGUF name", tensor=parameter)
        return found

    def ordered(self, name: str, weights: np.ndarray) -> np.ndarray:
        """Rows of a weight, or of its LoRA matrix B, as llama.cpp has them.

        Args:
            name: llama.cpp's, with or without suffix.
            weights: (outputs, anything) or (outputs,).
        """
        if self.architecture == "llama" and ".attn_q." in f"{name}.":
            return halves_to_interleaved(weights, self.query_heads)
        if self.architecture == "llama" and ".attn_k." in f"{name}.":
            return halves_to_interleaved(weights, self.key_heads)
        return weights


def halves_to_interleaved(weights: np.ndarray, head_count: int) -> np.ndarray:
    """Row order of a query or key projection, from transformers' rotary halves to llama.cpp's neighbouring pairs.

    The other way round is engine.models.gguf_llama.interleaved_to_halves.

    Args:
        weights: (head_count * head_size, ...).
    """
    halves = weights.reshape(head_count, 2, len(weights) // head_count // 2, *weights.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(weights.shape)


def read_model_config(folder: Path) -> dict[str, Any]:
    """config.json of a base model's folder.

    Raises:
        UnsupportedModelError: it is missing or unreadable.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as failure:
        raise UnsupportedModelError(f"{folder}: {failure}") from failure
    if not isinstance(config, dict):
        raise UnsupportedModelError(f"{folder}/config.json is not an object")
    return config


@contextmanager
def gguf_written_whole(target: Path, architecture: str) -> Iterator[gguf.GGUFWriter]:
    """Yield a writer whose tensors become the file `target` at the end; nothing is left on failure.

    Raises:
        DiskFullError: no space was left.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}.tmp")
    writer = gguf.GGUFWriter(draft, architecture)
    try:
        with disk_full_told(target.parent):
            yield writer
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            for stream in writer.fout or ():
                stream.flush()
                os.fsync(stream.fileno())
            writer.close()
            os.replace(draft, target)
            sync_folder(target.parent)
    finally:
        writer.close()
        draft.unlink(missing_ok=True)
