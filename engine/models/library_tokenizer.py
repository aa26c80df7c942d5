"""A tokenizer of transformers as the engine uses it: what a chat format needs of it, and what ends an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from engine.errors import UnsupportedModelError


class LibraryTokenizer:
    """A fast tokenizer of transformers as a chat format uses it (engine.data.chat_template.ChatTokenizer).

    Raises:
        UnsupportedModelError: the tokenizer is slow.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        if not tokenizer.is_fast:
            raise UnsupportedModelError("the tokenizer has no tokenizer.json")
        self._tokenizer: Any = tokenizer
        self._backend = self._tokenizer.backend_tokenizer
        self.end_of_text_id: int | None = tokenizer.eos_token_id
        self.special_ids: Mapping[str, int] = {
            str(text): int(index)
            for text, index in zip(
                tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True
            )
        } | {
            token.content: index
            for index, token in tokenizer.added_tokens_decoder.items()
            if token.special
        }

    @property
    def has_template(self) -> bool:
        return bool(self._tokenizer.chat_template)

    def render(self, messages: Sequence[Mapping[str, str]], *, add_generation_prompt: bool) -> str:
        return str(
            self._tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=add_generation_prompt
            )
        )

    def text_ids(self, text: str) -> list[int]:
        self._backend.encode_special_tokens = True
        try:
            return list(self._backend.encode(text, add_special_tokens=False).ids)
        finally:
            self._backend.encode_special_tokens = False

    def rendered_ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])


def stop_ids_of(model: Any, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    stop_ids: set[int] = set()
    for value in (tokenizer.eos_token_id, model.generation_config.eos_token_id):
        if isinstance(value, int):
            stop_ids.add(value)
        elif value is not None:
            stop_ids.update(int(item) for item in value)
    return frozenset(stop_ids)
