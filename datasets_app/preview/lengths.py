"""How long the examples of a version are for a base model, with the markers of its chat template.

Reading a conversation costs time, so a page counts a sample that is spread evenly over the examples, once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

from django.core.cache import cache

from datasets_app.models import DatasetVersion
from datasets_app.preview.ready_models import ModelTokenizer, ReadyModel, tokenizer_of
from datasets_app.versions.stored_rows import lines_of
from engine.data.chat_template import Segment
from engine.data.records import DatasetType, Example, read_example
from engine.data.truncation import whole_answer_length
from engine.errors import DatasetError, UnsupportedModelError

MAX_COUNTED_CHARACTERS = 300_000
"""Characters that are tokenised for one page at most: about half a second."""

FRAME_CHARACTERS = 200
"""What a chat template writes around an example, about."""

_KEPT_SECONDS = 7 * 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of the counted examples at some length.

    Attributes:
        fitting: used whole.
        shortened: the question is shortened, the answer is whole.
        answer_cut: a part of the answer is missing.
        left_out: not used.
        refused: the base model can not take them at all.
    """

    fitting: int
    shortened: int
    answer_cut: int
    left_out: int
    refused: int


@dataclass(frozen=True, slots=True)
class TokenLengths:
    """Lengths of the examples that were counted.

    Attributes:
        lengths: tokens of each.
        whole_answers: the least max_length at which the answer of each stays whole; 0 where nothing can be learned.
        refused_count: examples that the chat template refuses, among those looked at.
        example_count: of the version.
    """

    lengths: tuple[int, ...]
    whole_answers: tuple[int, ...]
    refused_count: int
    example_count: int

    @property
    def counted(self) -> int:
        return len(self.lengths) + self.refused_count

    @property
    def is_sample(self) -> bool:
        return self.counted < self.example_count

    def outcome(self, max_length: int, overlong: str) -> Outcome:
        """What training would make of them."""
        fitting = shortened = answer_cut = left_out = 0
        for length, whole_answer in zip(self.lengths, self.whole_answers, strict=True):
            if whole_answer == 0 or (length > max_length and overlong == "drop"):
                left_out += 1
            elif length <= max_length:
                fitting += 1
            elif whole_answer <= max_length:
                shortened += 1
            else:
                answer_cut += 1
        return Outcome(fitting, shortened, answer_cut, left_out, self.refused_count)


def token_lengths(version: DatasetVersion, base_model: ReadyModel) -> TokenLengths:
    """Counted at the first request; later ones read the cache.

    Raises:
        UnavailableError: the file or the base model's tokenizer is not there.
    """
    key = f"token-lengths-{version.dataset.type}-{version.digest}-{base_model.digest}"
    found: dict[str, Any] | None = cache.get(key)
    if found is None:
        found = _count(version, tokenizer_of(base_model))
        cache.set(key, found, _KEPT_SECONDS)
    return TokenLengths(**found, example_count=version.example_count)


def _count(version: DatasetVersion, tokenizer: ModelTokenizer) -> dict[str, Any]:
    rendered: list[list[Segment]] = []
    refused = 0
    for example in _sample(version):
        try:
            rendered.append(list(tokenizer.chat_format.segments(example)))
        except (DatasetError, UnsupportedModelError):
            refused += 1
    masks = _masks(within_budget(rendered), tokenizer)
    return {
        "lengths": tuple(len(mask) for mask in masks),
        "whole_answers": tuple(whole_answer_length(mask) for mask in masks),
        "refused_count": refused,
    }


def _sample(version: DatasetVersion) -> Iterator[Example]:
    """Every n-th example, so that about MAX_COUNTED_CHARACTERS are rendered."""
    rendered = version.character_count + FRAME_CHARACTERS * version.example_count
    stride = max(1, -(-rendered // MAX_COUNTED_CHARACTERS))
    dataset_type = cast(DatasetType, version.dataset.type)
    for line in islice(lines_of(version), 0, None, stride):
        yield read_example(json.loads(line), dataset_type)


def within_budget(rendered: Sequence[list[Segment]]) -> Sequence[list[Segment]]:
    """The examples, or every second, every fourth of them, until they hold few enough characters."""
    chosen = [segments for segments in rendered if _size(segments) <= MAX_COUNTED_CHARACTERS]
    while sum(map(_size, chosen)) > MAX_COUNTED_CHARACTERS:
        chosen = chosen[::2]
    return chosen


def _size(segments: Sequence[Segment]) -> int:
    return sum(len(segment.text) for segment in segments)


def _masks(rendered: Sequence[list[Segment]], tokenizer: ModelTokenizer) -> list[list[bool]]:
    """For each example, whether each of its tokens is learned."""
    texts = [
        segment.text for segments in rendered for segment in segments if segment.special_id is None
    ]
    counts = iter(tokenizer.files.token_counts(texts))
    masks = []
    for segments in rendered:
        mask: list[bool] = []
        for segment in segments:
            count = next(counts) if segment.special_id is None else 1
            mask += [segment.is_label] * count
        masks.append(mask)
    return masks
