"""Whether a folder can be a base model, told without loading it. Torch-free: the web asks before it is offered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from engine.errors import UnsupportedModelError
from engine.models.architecture import SUPPORTED_TYPES
from engine.models.cache import REQUIRED_FILES

FolderFault = Literal["missing_files", "no_config", "runs_code", "model_type"]


def checked_config(folder: Path, name: str) -> dict[str, Any]:
    """The configuration of a folder that may be read.

    Raises:
        UnsupportedModelError: its params name the fault, the missing files and the model type.
    """
    missing = [file for file in REQUIRED_FILES if not (folder / file).is_file()]
    if missing:
        raise _refusal(folder, name, "missing_files", missing=missing)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as failure:
        raise _refusal(folder, name, "no_config") from failure
    if not isinstance(config, dict):
        raise _refusal(folder, name, "no_config")
    model_type = str(config.get("model_type"))
    if "auto_map" in config:
        raise _refusal(folder, name, "runs_code", model_type=model_type)
    if model_type not in SUPPORTED_TYPES:
        raise _refusal(folder, name, "model_type", model_type=model_type)
    return config


def _refusal(folder: Path, name: str, fault: FolderFault, **params: Any) -> UnsupportedModelError:
    return UnsupportedModelError(f"{folder}: {fault} {params}", name=name, fault=fault, **params)
