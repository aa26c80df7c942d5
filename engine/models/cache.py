"""Where base models lie on disk, and whether they are complete there. Torch-free: web and worker read from here.

A prepared model is the folder `<cache_dir>/<first 16 hex digits of its digest>`; its manifest.json is written last and
names every file with its size, so a folder without a fitting manifest does not count.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from engine.catalog import BaseModelSpec
from engine.errors import UnsupportedModelError
from engine.protocol import BaseModelRef

FORMAT_VERSION = 1
"""Raised when prepared folders of older versions must be prepared again."""

MANIFEST = "manifest.json"
REQUIRED_FILES = ("config.json", "model.safetensors", "tokenizer.json")
_CHUNK_BYTES = 1 << 20


def prepared_dir(cache_dir: Path | str, spec: BaseModelSpec) -> Path:
    """Folder in which the prepared model lies, whether it exists or not."""
    return Path(cache_dir) / spec.sha256[:16]


def find_prepared(cache_dir: Path | str, spec: BaseModelSpec) -> BaseModelRef | None:
    """The prepared model, or None when it is missing or incomplete. Reads only the manifest and file sizes."""
    folder = prepared_dir(cache_dir, spec)
    manifest = _read_manifest(folder)
    if manifest is None or manifest.get("format_version") != FORMAT_VERSION:
        return None
    if manifest.get("source_sha256") != spec.sha256:
        return None
    files = manifest.get("files")
    if not isinstance(files, dict) or not set(REQUIRED_FILES) <= set(files):
        return None
    for name, size_bytes in files.items():
        try:
            if (folder / name).stat().st_size != size_bytes:
                return None
        except OSError:
            return None
    return BaseModelRef(name=spec.name, path=str(folder), digest=spec.sha256)


def local_base_model(name: str, folder: Path | str) -> BaseModelRef:
    """A folder with config.json, model.safetensors and tokenizer.json as a base model; reads all of its weights.

    Raises:
        UnsupportedModelError: a file is missing.
    """
    folder = Path(folder)
    missing = [file for file in REQUIRED_FILES if not (folder / file).is_file()]
    if missing:
        raise UnsupportedModelError(f"{folder} lacks {missing}", name=name, missing=missing)
    return BaseModelRef(
        name=name, path=str(folder.resolve()), digest=file_sha256(folder / "model.safetensors")
    )


def file_sha256(path: Path | str) -> str:
    """Hex sha256 of a file's bytes."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _read_manifest(folder: Path) -> dict[str, Any] | None:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) else None
