"""Text from a growing list of tokens, piece by piece, never splitting a character."""

from __future__ import annotations

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

_INCOMPLETE = "\ufffd"
"""What a decoder writes for bytes that are no whole character yet."""

_CONTEXT_TOKENS = 8
"""Decoded again with the next one: a token may read otherwise at the start of a text, and bytes may be under way."""

_MOST_TOKENS = 4 * _CONTEXT_TOKENS
"""So many are kept before they are cut down to the context."""


class StreamingDetokenizer:
    """Feed tokens, get text; the pieces joined equal the text of all tokens decoded at once.

    Bytes that never become a whole character are told as U+FFFD; at the very end of a text they are dropped.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._token_ids: list[int] = []
        self._told_length = 0

    def push(self, token_id: int) -> str:
        """The text that this token completes, perhaps none."""
        self._token_ids.append(token_id)
        whole = self._whole()
        new = whole[self._told_length :]
        self._told_length = max(self._told_length, len(whole))
        if len(self._token_ids) > _MOST_TOKENS:
            self._token_ids = self._token_ids[-_CONTEXT_TOKENS:]
            self._told_length = len(self._whole())
        return new

    def _whole(self) -> str:
        """The text without its last character where that is not whole; the bytes under way are at most one such."""
        text = self._tokenizer.decode(
            self._token_ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return str(text).removesuffix(_INCOMPLETE)
