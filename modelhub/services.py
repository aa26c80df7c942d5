"""Keep the rows of base models in step with what is installed."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from common.storage import sha256_of_file
from engine.catalog import CATALOG, BaseModelSpec
from modelhub.local_folders import LocalFolder, local_folders
from modelhub.models import BaseModel
from modelhub.server_models import sync_server_models

logger = logging.getLogger(__name__)


@transaction.atomic
def sync_base_models() -> None:
    """One row per model of the catalogue and per folder of local models; a row whose files are gone is disabled."""
    present = {spec.name: _bundled_fields(spec) for spec in CATALOG}
    for folder in local_folders(settings.LLMLORA_HOME.local_models):
        fields = _local_fields(folder)
        if fields is not None:
            present[folder.name] = fields
    for name, fields in present.items():
        BaseModel.objects.update_or_create(name=name, defaults=fields)
    here = BaseModel.objects.exclude(source__in=BaseModel.REMOTE)
    here.exclude(name__in=present).update(is_enabled=False)
    sync_server_models()


def _bundled_fields(spec: BaseModelSpec) -> dict[str, Any]:
    package = find_spec(spec.package)
    file = (
        Path(next(iter(package.submodule_search_locations or [""]))) / spec.package_file
        if package
        else None
    )
    is_installed = file is not None and file.is_file()
    return {
        **_shape_fields(spec),
        "digest": spec.sha256,
        "size_bytes": file.stat().st_size if file is not None and is_installed else 0,
        "is_enabled": is_installed,
    }


def _local_fields(folder: LocalFolder) -> dict[str, Any] | None:
    spec = folder.spec
    if spec is None:
        logger.warning("%s", folder.refusal)
        return None
    weights = folder.path / "model.safetensors"
    try:
        size_bytes = weights.stat().st_size
        digest = sha256_of_file(weights)
    except OSError as error:
        logger.warning("folder %s is not a usable base model: %s", folder.path, error)
        return None
    return {
        **_shape_fields(spec),
        "digest": digest,
        "size_bytes": size_bytes,
        "is_enabled": True,
    }


def _shape_fields(spec: BaseModelSpec) -> dict[str, Any]:
    return {
        "source": spec.source,
        "parameter_count": spec.parameters,
        "license": spec.license,
        "languages": list(spec.languages),
        "context_length": spec.context_length,
        "layer_count": spec.layer_count,
        "module_shapes": {name: list(shape) for name, shape in spec.module_shapes.items()},
    }
