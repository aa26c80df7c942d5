"""Where files are kept, and how large what people send may be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from llmlora_site.settings.environment import BASE_DIR, DEBUG, LLMLORA_HOME, env

STATIC_URL = "/static/"
STATIC_ROOT = LLMLORA_HOME.root / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
SERVESTATIC_USE_FINDERS = True
SERVESTATIC_AUTOREFRESH = DEBUG
# Workers on other hosts need the same storage: a folder of a network drive, or an object store.
MEDIA_ROOT = Path(env.str("LLMLORA_MEDIA", default="") or LLMLORA_HOME.media).expanduser()
if not MEDIA_ROOT.is_absolute():
    raise ImproperlyConfigured(
        f"LLMLORA_MEDIA must be an absolute path, and is {str(MEDIA_ROOT)!r}."
    )
MEDIA_URL = ""


def _storage_options() -> dict[str, object]:
    text = env.str("LLMLORA_STORAGE_OPTIONS", default="")
    try:
        options = json.loads(text or "{}")
    except ValueError:
        options = None
    if not isinstance(options, dict):
        raise ImproperlyConfigured(
            'LLMLORA_STORAGE_OPTIONS must be a JSON object, for example {"bucket_name": "llmlora"}.'
        )
    return options


STORAGES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": env.str("LLMLORA_STORAGE", default="")
        or "common.storage.AtomicFileSystemStorage",
        "OPTIONS": _storage_options(),
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# What a file may hold is bounded by the disk and by patience, not by memory: it is read as a stream.
MAX_UPLOAD_BYTES = 1024 * 1024 * 1024
MAX_EXAMPLES = 1_000_000
# So much of a file is read while its sender waits; the rest is a worker's.
REQUEST_CHECK_BYTES = 8 * 1024 * 1024
# Text that is pasted, and records that a program sends, are held in memory.
MAX_TEXT_BYTES = 50 * 1024 * 1024
USER_DATASET_BYTES = 4 * 1024 * 1024 * 1024
COHORT_DATASET_BYTES = 20 * 1024 * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_TEXT_BYTES + 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
MAX_REQUEST_BYTES = DATA_UPLOAD_MAX_MEMORY_SIZE
# Only these addresses take a whole file.
UPLOAD_PATHS = ("/api/datasets/upload", "/datasets/new/")
MAX_UPLOAD_REQUEST_BYTES = MAX_UPLOAD_BYTES + 1024 * 1024
MAX_ANONYMOUS_REQUEST_BYTES = 64 * 1024
# Datasets of the Hugging Face Hub can be fetched, if instructors allow them one by one.
HUB_ENABLED = not env.bool("HF_HUB_OFFLINE", default=False)
# A job needs room for its adapter, its copies and the database; below this nothing new is accepted.
MIN_FREE_DISK_BYTES = 500 * 1024 * 1024
