"""Conversations to token ids, with the mask of the tokens that are learned.

The model's own chat template is rendered once over stand-ins for the contents and cut at them, so the frame of a
conversation comes from the template whatever it is, while contents are tokenised with special tokens switched off: a
student's text that spells a marker of the template stays text. Torch-free: what renders and tokenises is given.

Where a template knows no system role, refusing it or leaving it out, a system text stands before the text of the next
user turn, with an empty line between them.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from jinja2 import TemplateError

from engine.data.records import Example, Turn
from engine.errors import DatasetError, UnsupportedModelError

_PROBE = (
    Turn("user", "What is 2 + 2? Say it in words.", False),
    Turn("assistant", "Two and two make four.", True),
    Turn("user", "Thanks, good-bye", False),
)

# A white space that no template writes itself: when a template trims contents, it takes this along.
_PAD = "\u2003"


class ChatTokenizer(Protocol):
    """What a chat format needs of a base model's tokenizer and chat template."""

    @property
    def has_template(self) -> bool: ...

    @property
    def special_ids(self) -> Mapping[str, int]:
        """The text of every special token, and its id."""

    @property
    def end_of_text_id(self) -> int | None: ...

    def render(self, messages: Sequence[Mapping[str, str]], *, add_generation_prompt: bool) -> str:
        """The template's text of a conversation.

        Raises:
            TemplateError, TypeError, ValueError, KeyError: the template refuses these messages.
        """

    def text_ids(self, text: str) -> list[int]:
        """Token ids of plain text: markers of special tokens in it stay text."""

    def rendered_ids(self, text: str) -> list[int]:
        """Token ids of a rendered conversation: markers in it are special tokens."""


@dataclass(frozen=True, slots=True)
class TokenizedExample:
    """Token ids of one example; is_label says for each whether its prediction carries loss."""

    input_ids: list[int]
    is_label: list[bool]


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of an example that is tokenised by itself.

    Attributes:
        text: plain text, or that of one special token.
        is_label: whether its tokens carry loss.
        special_id: of the special token, or None for plain text.
    """

    text: str
    is_label: bool
    special_id: int | None = None


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of a rendered conversation: a frame text of the template, or the content of a turn."""

    text: str
    turn: Turn | None = None


class ChatFormat:
    """The chat template and tokenizer of one base model.

    Args:
        tokenizer: renders and tokenises; with a chat template when conversations are used.
        stop_ids: tokens that end an answer.

    Raises:
        UnsupportedModelError: the tokenizer splits a conversation in another way than its parts.
        DatasetError: the template refuses an everyday conversation.
    """

    def __init__(self, tokenizer: ChatTokenizer, stop_ids: frozenset[int]) -> None:
        self._tokenizer = tokenizer
        self._special_ids = dict(tokenizer.special_ids)
        longest_first = sorted(self._special_ids, key=len, reverse=True)
        self._special_pattern = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")
        self.stop_ids = stop_ids
        self._has_system_role = tokenizer.has_template and self._shows_system()
        if tokenizer.has_template:
            self.stop_ids = stop_ids | self._answer_ends()
            self._check_probe()

    def prompt(self, turns: Sequence[Turn]) -> list[int]:
        """Token ids of a conversation up to the point where the model answers.

        Raises:
            DatasetError: the template refuses these turns.
        """
        return self._tokenize(self._turn_segments(turns, add_generation_prompt=True)).input_ids

    def tokenize(self, example: Example) -> TokenizedExample:
        """Token ids of an example and the mask of its learned tokens.

        Of a conversation every trained turn and its stop token are learned; of a completion its text and the
        end-of-text token; of bare text everything.

        Raises:
            DatasetError: the template refuses these turns.
        """
        return self._tokenize(self.segments(example))

    def segments(self, example: Example) -> Iterator[Segment]:
        """The stretches of an example, in order; their tokens one after another are those of `tokenize`.

        Raises:
            DatasetError: the template refuses these turns.
        """
        if example.turns:
            return self._turn_segments(example.turns, add_generation_prompt=False)
        return self._completion_segments(example)

    def _completion_segments(self, example: Example) -> Iterator[Segment]:
        yield Segment(example.prompt, is_label=False)
        yield Segment(example.completion, is_label=True)
        end = self._tokenizer.end_of_text_id
        if end is not None:
            text = next((text for text, index in self._special_ids.items() if index == end), "")
            yield Segment(text, is_label=True, special_id=end)

    def _turn_segments(
        self, turns: Sequence[Turn], *, add_generation_prompt: bool
    ) -> Iterator[Segment]:
        turns = turns if self._has_system_role else with_systems_told(turns)
        rendered, key = self._render_stand_ins(turns, add_generation_prompt=add_generation_prompt)
        return self._split(self._cut(rendered, key, turns))

    def _render_stand_ins(
        self, turns: Sequence[Turn], *, add_generation_prompt: bool
    ) -> tuple[str, str]:
        """A conversation with stand-ins for its contents, and what all stand-ins begin with."""
        key = f"turn{secrets.token_hex(8)}x"
        messages = [
            {"role": turn.role, "content": f"{_PAD}{key}{index}x{_PAD}"}
            for index, turn in enumerate(turns)
        ]
        return self._render(messages, add_generation_prompt=add_generation_prompt), key

    def _shows_system(self) -> bool:
        """Whether the template writes a system turn."""
        turns = [Turn("system", "", False), Turn("user", "", False)]
        try:
            rendered, key = self._render_stand_ins(turns, add_generation_prompt=True)
        except DatasetError:
            return False
        return f"{key}0x" in rendered

    def _render(self, messages: Sequence[Mapping[str, str]], *, add_generation_prompt: bool) -> str:
        if not self._tokenizer.has_template:
            raise UnsupportedModelError("the base model has no chat template")
        try:
            return self._tokenizer.render(messages, add_generation_prompt=add_generation_prompt)
        except (TemplateError, TypeError, ValueError, KeyError) as failure:
            raise DatasetError(f"chat template: {failure}", reason="template") from failure

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

    def _split(self, pieces: Iterable[_Piece]) -> Iterator[Segment]:
        """Cut at special tokens of the frame and around answers."""
        plain = ""
        awaits_stop = False
        for piece in pieces:
            if piece.turn is not None and piece.turn.role == "assistant":
                # An answer starts with a token of its own: in use, the prompt before it is tokenised alone.
                yield Segment(plain, is_label=False)
                yield Segment(piece.text, is_label=piece.turn.is_trained)
                plain = ""
                awaits_stop = piece.turn.is_trained
            elif piece.turn is not None:
                plain += piece.text
            else:
                for text, marker in self._split_specials(piece.text):
                    plain += text
                    if marker is None:
                        continue
                    is_stop = awaits_stop and not plain.strip()
                    yield Segment(plain, is_label=False)
                    yield Segment(marker, is_label=is_stop, special_id=self._special_ids[marker])
                    plain = ""
                    awaits_stop = False
                if plain.strip():
                    awaits_stop = False
        yield Segment(plain, is_label=False)

    def _split_specials(self, text: str) -> Iterator[tuple[str, str | None]]:
        position = 0
        for match in self._special_pattern.finditer(text):
            yield text[position : match.start()], match[0]
            position = match.end()
        yield text[position:], None

    def _tokenize(self, segments: Iterable[Segment]) -> TokenizedExample:
        input_ids: list[int] = []
        is_label: list[bool] = []
        for segment in segments:
            if segment.special_id is not None:
                ids = [segment.special_id]
            else:
                ids = self._tokenizer.text_ids(segment.text) if segment.text else []
            input_ids.extend(ids)
            is_label.extend([segment.is_label] * len(ids))
        return TokenizedExample(input_ids, is_label)

    def _answer_ends(self) -> frozenset[int]:
        """The special token that the template writes after an answer, when it writes one."""
        probe = self._tokenize(self._turn_segments(_PROBE, add_generation_prompt=False))
        learned = [
            token for token, label in zip(probe.input_ids, probe.is_label, strict=True) if label
        ]
        return frozenset(learned[-1:]) & frozenset(self._special_ids.values())

    def _check_probe(self) -> None:
        messages = [{"role": turn.role, "content": turn.content} for turn in _PROBE]
        whole = self._render(messages, add_generation_prompt=True)
        if self._tokenizer.rendered_ids(whole) != self.prompt(_PROBE):
            # Tokenizers that treat the start of a text specially (SentencePiece's space) do this.
            raise UnsupportedModelError("the tokenizer does not split at its special tokens")


def with_systems_told(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """A conversation whose system texts stand before the text of the user turn that follows them.

    A system turn that none follows stays as it is.
    """
    told: list[Turn] = []
    waiting: list[Turn] = []
    for turn in turns:
        if turn.role == "system":
            waiting.append(turn)
        elif turn.role == "user" and waiting:
            texts = [system.content for system in waiting if system.content.strip()]
            told.append(replace(turn, content="\n\n".join([*texts, turn.content])))
            waiting = []
        else:
            told.append(turn)
    return (*told, *waiting)
