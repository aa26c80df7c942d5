"""Adapters beside the engine: fetched from storage at their first use, kept while they are used."""

from __future__ import annotations

import shutil
from pathlib import Path

from django.conf import settings

from common import storage
from training.models import Adapter

KEPT_ADAPTERS = 150
"""Folders kept on this host; a class has about thirty, and no engine decodes with more than this at once."""


def local_adapter(adapter: Adapter) -> tuple[str, str]:
    """The adapter's folder on this host and its digest.

    Raises:
        FileNotFoundError: storage does not have its files any more.
    """
    cache = settings.LLMLORA_HOME.adapter_cache
    folder = cache / adapter.digest
    if not (folder / "manifest.json").is_file():
        for name in sorted(adapter.files, key=lambda name: (name == "manifest.json", name)):
            storage.fetch_file(f"{adapter.prefix}/{name}", folder / name)
        _trim(cache)
    folder.touch()
    return str(folder), adapter.digest


def _trim(cache: Path) -> None:
    folders = sorted(
        (path for path in cache.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime
    )
    for folder in folders[:-KEPT_ADAPTERS]:
        shutil.rmtree(folder, ignore_errors=True)
