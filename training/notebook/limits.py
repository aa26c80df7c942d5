"""How much a person may write on a job."""

from __future__ import annotations

MAX_CHARACTERS = {"notes": 5000, "prediction": 2000, "explanation": 2000}
MAX_NAME_CHARACTERS = 120
MAX_TAGS = 10
MAX_TAG_CHARACTERS = 40
