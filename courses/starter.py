"""The starter data that comes with a course level, so that nobody needs data of their own to begin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CONTENT_FOLDER = Path(__file__).resolve().parent / "content"
FIRST_LEVEL = 1


def starter_records(level: int = FIRST_LEVEL) -> list[dict[str, Any]]:
    """The records of a level's dataset, in the shape of an upload."""
    path = CONTENT_FOLDER / f"level-{level}" / "dataset.json"
    return json.loads(path.read_text(encoding="utf-8"))
