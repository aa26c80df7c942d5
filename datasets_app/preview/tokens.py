"""Examples exactly as a base model will see them: token by token, with what it learns and what is cut away marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import cast

from django.core.paginator import Page, Paginator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from datasets_app.models import DatasetVersion
from datasets_app.preview.ready_models import ModelTokenizer, ReadyModel, tokenizer_of
from datasets_app.selectors import read_examples
from engine.data.chat_template import Segment
from engine.data.records import Example
from engine.data.truncation import Fitted, keep_answer
from engine.errors import DatasetError, UnsupportedModelError

EXAMPLES_PER_PAGE = 10
ROWS_SHOWN_ELSEWHERE = 3
MAX_TOKENS_SHOWN_APART = 400
"""An example with more tokens is shown in stretches of one kind, without the borders between its tokens."""

MAX_SHOWN_CHARACTERS = 20_000
"""A longer example is not shown: no base model reads so much at once, and the page would not end."""

Kind = tuple[bool, bool, bool]
"""Whether a token is special, is trained and is cut away."""


@dataclass(frozen=True, slots=True)
class PreviewSettings:
    """What decides how examples reach the model; max_length and overlong as in engine.config."""

    base_model: ReadyModel
    max_length: int
    overlong: str


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of text that is one token, or the fewest characters that several tokens share."""

    text: str
    count: int


@dataclass(frozen=True, slots=True)
class Span:
    """Consecutive tokens of one kind.

    Attributes:
        is_special: a token of the template, not of the text.
        is_trained: the model learns to write it.
        is_cut: left away because the example is too long.
        tokens: its tokens one by one; empty where the example has too many of them.
    """

    text: str
    is_special: bool
    is_trained: bool
    is_cut: bool
    token_count: int
    tokens: tuple[Token, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelExample:
    """One example as the model will see it.

    Attributes:
        number: its place in the dataset, from 1.
        token_count: tokens before anything is cut.
        trained_count: tokens that the model learns to write.
        cut_count: tokens that are left away.
        is_answer_cut: tokens that it should learn are among those left away.
        is_left_out: the whole example is not used.
        is_too_long: it is left out because it is too long; else because nothing in it can be learned.
        refusal: a sentence, where it can not be shown.
    """

    number: int
    spans: tuple[Span, ...] = ()
    token_count: int = 0
    trained_count: int = 0
    cut_count: int = 0
    is_answer_cut: bool = False
    is_left_out: bool = False
    is_too_long: bool = False
    refusal: str = ""

    @property
    def is_long(self) -> bool:
        """Whether it is shown without the borders between its tokens."""
        return self.token_count > MAX_TOKENS_SHOWN_APART


def first_examples(
    version: DatasetVersion, settings: PreviewSettings, count: int = ROWS_SHOWN_ELSEWHERE
) -> list[ModelExample]:
    """The first examples of a version, for `token_rows.html` on other pages.

    Raises:
        UnavailableError: the file or the base model's tokenizer is not there.
    """
    return _window(version, settings, 0, count)


def preview_page(
    version: DatasetVersion, settings: PreviewSettings, number: str | None
) -> Page[ModelExample]:
    """One page of examples.

    Raises:
        UnavailableError: the file or the base model's tokenizer is not there.
    """
    # A paginator needs no more of a list than its length and its slices.
    examples = cast(Sequence[ModelExample], _Examples(version, settings))
    return Paginator(examples, EXAMPLES_PER_PAGE).get_page(number)


class _Examples:
    """Reads and tokenises only the slice that a page shows."""

    def __init__(self, version: DatasetVersion, settings: PreviewSettings) -> None:
        self._version = version
        self._settings = settings

    def __len__(self) -> int:
        return self._version.example_count

    def __getitem__(self, window: slice) -> list[ModelExample]:
        return _window(
            self._version, self._settings, window.start, cast(int, window.stop) - window.start
        )


def _window(
    version: DatasetVersion, settings: PreviewSettings, offset: int, limit: int
) -> list[ModelExample]:
    tokenizer = tokenizer_of(settings.base_model)
    examples = read_examples(version, limit=limit, offset=offset)
    return [
        model_example(example, number, tokenizer, settings)
        for number, example in enumerate(examples, start=offset + 1)
    ]


def model_example(
    example: Example, number: int, tokenizer: ModelTokenizer, settings: PreviewSettings
) -> ModelExample:
    """An example as the model will see it, or the reason why it can not be shown."""
    characters = character_count(example)
    if characters > MAX_SHOWN_CHARACTERS:
        return ModelExample(number, refusal=_too_many_characters(characters))
    try:
        segments = list(tokenizer.chat_format.segments(example))
    except (DatasetError, UnsupportedModelError) as error:
        return ModelExample(number, refusal=refusal_sentence(error))
    pieces = [list(_pieces(segment, tokenizer)) for segment in segments]
    is_label = [
        segment.is_label
        for segment, found in zip(segments, pieces, strict=True)
        for piece in found
        for _token in range(piece.count)
    ]
    # Which tokens they are makes no difference to what is kept.
    fitted = keep_answer(range(len(is_label)), is_label, settings.max_length)
    is_too_long = settings.overlong == "drop" and fitted.is_cut
    is_left_out = is_too_long or not any(fitted.is_label[1:])
    kept = [False] * len(is_label) if is_left_out else fitted.kept
    return ModelExample(
        number,
        spans=_spans(segments, pieces, kept),
        token_count=len(is_label),
        trained_count=0 if is_left_out else _learned(fitted),
        cut_count=kept.count(False),
        is_answer_cut=fitted.is_answer_cut and not is_left_out,
        is_left_out=is_left_out,
        is_too_long=is_too_long,
    )


def character_count(example: Example) -> int:
    """Characters of an example's own texts."""
    texts = [turn.content for turn in example.turns] or [example.prompt, example.completion]
    return sum(map(len, texts))


def refusal_sentence(error: DatasetError | UnsupportedModelError) -> str:
    """Why a base model can not take an example, and what to do."""
    if isinstance(error, UnsupportedModelError):
        return _(
            "This base model has no chat template, so it can not learn from conversations. "
            "Choose another model, or use prompts with completions."
        )
    reason = str(error.__cause__ or error)[:200]
    return _(
        "The chat template of this base model refuses this example: “%(reason)s”. "
        "A training on it would stop here. Change the example, or choose another model."
    ) % {"reason": reason}


def _too_many_characters(count: int) -> str:
    return ngettext(
        "This example has %(count)d character, which is too long to be shown here.",
        "This example has %(count)d characters, which is too long to be shown here.",
        count,
    ) % {"count": count}


def _learned(fitted: Fitted) -> int:
    # Nothing comes before the first token that could predict it.
    return sum(fitted.is_label[1:])


def _pieces(segment: Segment, tokenizer: ModelTokenizer) -> Iterator[Token]:
    """The tokens of a segment; those that share a character stand together, so that it can be shown."""
    if segment.special_id is not None:
        yield Token(segment.text, 1)
        return
    text = segment.text
    start, end, count = 0, 0, 0
    for token_start, token_end in tokenizer.files.token_places(text) if text else []:
        if end > start and token_start >= end and token_end > end:
            yield Token(text[start:end], count)
            start, count = end, 0
        end = max(end, token_end)
        count += 1
    if text[start:] or count:
        yield Token(text[start:], count)


def _spans(
    segments: Sequence[Segment], pieces: Sequence[Sequence[Token]], kept: Sequence[bool]
) -> tuple[Span, ...]:
    marked = list(_marked(segments, pieces, kept))
    are_apart = len(kept) <= MAX_TOKENS_SHOWN_APART
    spans = []
    for kind, group in groupby(marked, key=itemgetter(0)):
        is_special, is_trained, is_cut = kind
        tokens = [token for _kind, token in group]
        spans.append(
            Span(
                text="".join(token.text for token in tokens),
                is_special=is_special,
                is_trained=is_trained,
                is_cut=is_cut,
                token_count=sum(token.count for token in tokens),
                tokens=tuple(token for token in tokens if token.text) if are_apart else (),
            )
        )
    return tuple(spans)


def _marked(
    segments: Sequence[Segment], pieces: Sequence[Sequence[Token]], kept: Sequence[bool]
) -> Iterator[tuple[Kind, Token]]:
    position = 0
    for segment, found in zip(segments, pieces, strict=True):
        is_special = segment.special_id is not None
        for piece in found:
            places = range(position, position + piece.count)
            # Nothing comes before the first token that could predict it.
            kinds = [
                (is_special, segment.is_label and index > 0, not kept[index]) for index in places
            ]
            if kinds and kinds.count(kinds[0]) < len(kinds):
                yield from _split_by_kind(piece, kinds)
            else:
                yield (kinds[0] if kinds else (is_special, segment.is_label, False)), piece
            position += piece.count


def _split_by_kind(piece: Token, kinds: Sequence[Kind]) -> Iterator[tuple[Kind, Token]]:
    """A piece once for each kind among its tokens; its text, which can not be parted, stands at one of them."""
    runs = [(kind, len(list(group))) for kind, group in groupby(kinds)]
    # A character of which a part is cut away is lost.
    shown = next((index for index, (kind, _count) in enumerate(runs) if kind[2]), len(runs) - 1)
    for index, (kind, count) in enumerate(runs):
        yield kind, Token(piece.text if index == shown else "", count)
