"""Text from a growing list of tokens, piece by piece, never splitting a character."""

from __future__ import annotations

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

_INCOMPLETE = "\ufffd"
"""What a decoder writes for bytes that are no whole character yet."""

_CONTEXT_TOKENS = 4
"""Told tokens decoded again with the next one, since a token may read otherwise at the start of a text."""


class StreamingDetokenizer:
    """Feed tokens, get text; the pieces joined equal the text of all tokens decoded at once.

    Bytes that never become a whole character are told as U+FFFD in the middle of a text and dropped at its end.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._token_ids: list[int] = []
        self._told_length = 0

    def push(self, token_id: int) -> str:
        """The text that this token completes, perhaps none."""
        self._token_ids.append(token_id)
        text = self._decode()
        whole = text.rstrip(_INCOMPLETE)
        new = whole[self._told_length :]
        self._told_length = max(self._told_length, len(whole))
        if text == whole and len(self._token_ids) > _CONTEXT_TOKENS:
            self._token_ids = self._token_ids[-_CONTEXT_TOKENS:]
            self._told_length = len(self._decode())
        return new

    def _decode(self) -> str:
        text = self._tokenizer.decode(
            self._token_ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return str(text)
