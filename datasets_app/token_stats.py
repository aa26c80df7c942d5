"""How many tokens the examples have for the default base model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.conf import settings

from datasets_app.intake.outcome import Outcome
from datasets_app.intake.quality import texts_of
from engine.catalog import SMOLLM2
from engine.data.records import read_example
from engine.data.token_count import token_counter
from engine.models.cache import find_prepared

MAX_COUNTED_EXAMPLES = 20_000
"""Short examples cost more than their characters say."""

MAX_COUNTED_CHARACTERS = 1_000_000
"""Counting reads about half a million characters a second; beyond this a dataset is sampled evenly."""


def measure_tokens(path: Path, outcome: Outcome) -> dict[str, Any]:
    """`{total, minimum, mean, maximum, counted}` over the examples' texts; empty while the base model is not ready.

    `counted` is the number of examples that were counted; where it is below their number, total is an estimate.
    """
    dataset_type = outcome.dataset_type
    base_model = find_prepared(settings.LLMLORA_HOME.model_cache, SMOLLM2)
    if base_model is None or dataset_type is None:
        return {}
    count = token_counter(base_model)
    stride = max(
        1,
        -(-outcome.character_count // MAX_COUNTED_CHARACTERS),
        -(-outcome.example_count // MAX_COUNTED_EXAMPLES),
    )
    lengths = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            if number % stride == 0:
                example = read_example(json.loads(line), dataset_type)
                lengths.append(sum(count(text) for text in texts_of(example) if text))
    mean = sum(lengths) / len(lengths)
    return {
        "total": round(mean * outcome.example_count),
        "minimum": min(lengths),
        "mean": round(mean, 1),
        "maximum": max(lengths),
        "counted": len(lengths),
    }
