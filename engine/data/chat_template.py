"""Conversations to token ids, with the mask of the tokens that are learned.

The model's own chat template is rendered once over stand-ins for the contents and cut at them, so the frame of a
conversation comes from the template whatever it is, while contents are tokenised with special tokens switched off: a
student's text that spells a marker of the template stays text.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from engine.data.records import Example, Turn
from engine.errors import DatasetError, UnsupportedModelError

_PROBE = (
    Turn("user", "What is 2 + 2? Say it in words.", False),
    Turn("assistant", "Two and two make four.", True),
    Turn("user", "Thanks, good-bye", False),
)

# A white space that no template writes itself: when a template trims contents, it takes this along.
_PAD = "\u2003"


@dataclass(frozen=True, slots=True)
class TokenizedExample:
    """Token ids of one example; is_label says for each whether its prediction carries loss."""

    input_ids: list[int]
    is_label: list[bool]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of a rendered conversation: a frame text of the template, or the content of a turn."""

    text: str
    turn: Turn | None = None


class ChatFormat:
    """The chat template and tokenizer of one base model.

    Args:
        tokenizer: a fast tokenizer, with a chat template when conversations are used.
        stop_ids: tokens that end an answer.

    Raises:
        UnsupportedModelError: the tokenizer is slow, or splits a conversation in another way than its parts.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stop_ids: frozenset[int]) -> None:
        if not tokenizer.is_fast:
            raise UnsupportedModelError("the tokenizer has no tokenizer.json")
        self._tokenizer = tokenizer
        self._backend = tokenizer.backend_tokenizer
        self.end_of_text_id: int | None = tokenizer.eos_token_id
        self._special_ids: dict[str, int] = {
            str(text): int(index)
            for text, index in zip(
                tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True
            )
        } | {
            token.content: index
            for index, token in tokenizer.added_tokens_decoder.items()
            if token.special
        }
        longest_first = sorted(self._special_ids, key=len, reverse=True)
        self._special_pattern = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")
        self.stop_ids = stop_ids
        if tokenizer.chat_template:
            self.stop_ids = stop_ids | self._answer_ends()
            self._check_probe()

    def prompt(self, turns: Sequence[Turn]) -> list[int]:
        """Token ids of a conversation up to the point where the model answers.

        Raises:
            DatasetError: the template refuses these turns.
        """
        return self._tokenize(self._render(turns, add_generation_prompt=True)).input_ids

    def tokenize(self, example: Example) -> TokenizedExample:
        """Token ids of an example and the mask of its learned tokens.

        Of a conversation every trained turn and its stop token are learned; of a completion its text and the
        end-of-text token; of bare text everything.

        Raises:
            DatasetError: the template refuses these turns.
        """
        if example.turns:
            return self._tokenize(self._render(example.turns, add_generation_prompt=False))
        prompt = self.text_ids(example.prompt)
        completion = self.text_ids(example.completion)
        if self.end_of_text_id is not None:
            completion.append(self.end_of_text_id)
        return TokenizedExample(
            prompt + completion, [False] * len(prompt) + [True] * len(completion)
        )

    def text_ids(self, text: str) -> list[int]:
        """Token ids of plain text: markers of special tokens in it stay text."""
        self._backend.encode_special_tokens = True
        try:
            return list(self._backend.encode(text, add_special_tokens=False).ids)
        finally:
            self._backend.encode_special_tokens = False

    def _render(self, turns: Sequence[Turn], *, add_generation_prompt: bool) -> list[_Piece]:
        if not self._tokenizer.chat_template:
            raise UnsupportedModelError("the base model has no chat template")
        key = f"turn{secrets.token_hex(8)}x"
        messages = [
            {"role": turn.role, "content": f"{_PAD}{key}{index}x{_PAD}"}
            for index, turn in enumerate(turns)
        ]
        try:
            rendered = self._tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=add_generation_prompt
            )
        except (TemplateError, TypeError, ValueError, KeyError) as failure:
            raise DatasetError(f"chat template: {failure}", reason="template") from failure
        return list(self._cut(str(rendered), key, turns))

    @staticmethod
    def _cut(rendered: str, key: str, turns: Sequence[Turn]) -> Iterator[_Piece]:
        position = 0
        for match in re.finditer(rf"({_PAD}?){key}(\d+)x({_PAD}?)", rendered):
            yield _Piece(rendered[position : match.start()])
            turn = turns[int(match[2])]
            text = turn.content if match[1] else turn.content.lstrip()
            yield _Piece(text if match[3] else text.rstrip(), turn)
            position = match.end()
        yield _Piece(rendered[position:])

    def _tokenize(self, pieces: Sequence[_Piece]) -> TokenizedExample:
        input_ids: list[int] = []
        is_label: list[bool] = []
        plain = ""

        def flush() -> None:
            nonlocal plain
            ids = self.text_ids(plain) if plain else []
            input_ids.extend(ids)
            is_label.extend([False] * len(ids))
            plain = ""

        awaits_stop = False
        for piece in pieces:
            if piece.turn is not None and piece.turn.role == "assistant":
                # An answer starts with a token of its own: in use, the prompt before it is tokenised alone.
                flush()
                ids = self.text_ids(piece.text)
                input_ids.extend(ids)
                is_label.extend([piece.turn.is_trained] * len(ids))
                awaits_stop = piece.turn.is_trained
            elif piece.turn is not None:
                plain += piece.text
            else:
                for text, special_id in self._split_specials(piece.text):
                    plain += text
                    if special_id is None:
                        continue
                    is_stop = awaits_stop and not plain.strip()
                    flush()
                    input_ids.append(special_id)
                    is_label.append(is_stop)
                    awaits_stop = False
                if plain.strip():
                    awaits_stop = False
        flush()
        return TokenizedExample(input_ids, is_label)

    def _split_specials(self, text: str) -> Iterator[tuple[str, int | None]]:
        position = 0
        for match in self._special_pattern.finditer(text):
            yield text[position : match.start()], self._special_ids[match[0]]
            position = match.end()
        yield text[position:], None

    def _answer_ends(self) -> frozenset[int]:
        """The special token that the template writes after an answer, when it writes one."""
        probe = self._tokenize(self._render(_PROBE, add_generation_prompt=False))
        learned = [
            token for token, label in zip(probe.input_ids, probe.is_label, strict=True) if label
        ]
        return frozenset(learned[-1:]) & frozenset(self._special_ids.values())

    def _check_probe(self) -> None:
        whole: Any = self._tokenizer.apply_chat_template(
            [{"role": turn.role, "content": turn.content} for turn in _PROBE],
            add_generation_prompt=True,
            return_dict=True,
        )
        if list(whole["input_ids"]) != self.prompt(_PROBE):
            # Tokenizers that treat the start of a text specially (SentencePiece's space) do this.
            raise UnsupportedModelError("the tokenizer does not split at its special tokens")
