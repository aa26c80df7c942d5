"""Counts the tokens of a text as a base model would. Torch-free: it needs the tokenizer file alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from tokenizers import Tokenizer

from engine.protocol import BaseModelRef


def token_counter(base_model: BaseModelRef) -> Callable[[str], int]:
    """A function from a text to its number of tokens, special tokens not added."""
    tokenizer = _load(Path(base_model.path) / "tokenizer.json")
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


@lru_cache(maxsize=4)
def _load(path: Path) -> Tokenizer:
    return Tokenizer.from_file(str(path))
