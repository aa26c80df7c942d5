"""The base model as llama.cpp's file, made once and kept; adapters as files only until they are read.

A kept file stands beside a note of its size and digest, written last. What does not fit its note is made again.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.durable import write_bytes
from engine.errors import AdapterError, UnsupportedModelError
from engine.export.gguf_adapter import write_adapter_gguf
from engine.export.gguf_bare import LAYOUT_VERSION
from engine.export.gguf_base import WeightFormat
from engine.inference.adapter_cache import check_base_model, digest_of
from engine.models.cache import file_sha256
from engine.protocol import BaseModelRef

logger = logging.getLogger(__name__)


def base_file(cache: Path, ref: BaseModelRef, format: WeightFormat) -> Path:
    """The file of a base model, made when there is none that is whole.

    Args:
        cache: folder for the files of all base models.

    Raises:
        UnsupportedModelError: it can not be made.
    """
    target = cache / ref.digest[:16] / f"base-{LAYOUT_VERSION}-{format}.gguf"
    if not is_whole(target):
        logger.info("writing %s for llama.cpp", target)
        _make(Path(ref.path), target, format)
        note = {"size_bytes": target.stat().st_size, "sha256": file_sha256(target)}
        draft = target.with_suffix(".json.tmp")
        write_bytes(draft, json.dumps(note).encode())
        draft.replace(_note(target))
    return target


def is_whole(file: Path) -> bool:
    """Whether a kept file is what was written."""
    try:
        note = json.loads(_note(file).read_bytes())
        return bool(
            file.stat().st_size == note["size_bytes"] and file_sha256(file) == note["sha256"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


@contextmanager
def adapter_file(cache: Path, adapter: Path, digest: str, ref: BaseModelRef) -> Iterator[Path]:
    """An adapter's file for as long as it is read: made in the time that reading it takes, it is not worth its space.

    Args:
        digest: sha256 that its weights must have; any when empty.

    Raises:
        AdapterError: the folder is unusable, was changed, or is of a kind that llama.cpp can not apply.
    """
    check_base_model(adapter, ref)
    if digest and digest_of(adapter) != digest:
        raise AdapterError(f"{adapter} has another digest", reason="changed")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="adapter-") as folder:
        target = Path(folder) / "adapter.gguf"
        write_adapter_gguf(adapter, Path(ref.path), target)
        yield target


def _note(file: Path) -> Path:
    return file.with_suffix(".json")


def _make(folder: Path, target: Path, format: WeightFormat) -> None:
    """In a process of its own, so that neither its memory nor its work is in the way of answers and jobs."""
    command = [sys.executable, "-m", "engine.export.gguf_bare", str(folder), str(target), format]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UnsupportedModelError(f"no file for llama.cpp: {done.stderr[-500:]}")
