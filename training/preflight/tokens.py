"""How many tokens the examples of a version are for a base model, and what is left of them at some length.

Counted as the engine counts: the same chat template, the same shortening. A large version is counted by an even sample.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import NormalDist
from typing import Any, cast

from django.core.cache import cache

from datasets_app.models import DatasetVersion
from datasets_app.preview.ready_models import ModelTokenizer, ReadyModel, tokenizer_of
from datasets_app.versions.stored_rows import lines_of
from engine.data.records import DatasetType, Example, read_example
from engine.data.truncation import keep_answer, whole_answer_length
from engine.errors import DatasetError, UnsupportedModelError

PAGE_CHARACTERS = 150_000
"""Characters that are tokenised while a page waits: about a quarter of a second, once."""

QUICK_CHARACTERS = 20_000
"""The same where a job is being started: then every millisecond holds others up."""

MAX_EXAMPLES = 1000
FRAME_CHARACTERS = 200
"""What a chat template writes around an example, about."""

_KEPT_SECONDS = 7 * 24 * 60 * 60

Stretch = tuple[int, int]


@dataclass(frozen=True, slots=True)
class CountedExample:
    """Attributes:
    length: tokens before anything is cut.
    labels: first and last but one of each stretch of learned tokens.
    whole_answer: the least max_length that keeps every learned token; 0 where nothing can be learned.
    """

    length: int
    labels: tuple[Stretch, ...]
    whole_answer: int

    @property
    def mask(self) -> list[bool]:
        mask = [False] * self.length
        for start, stop in self.labels:
            mask[start:stop] = [True] * (stop - start)
        return mask


@dataclass(frozen=True, slots=True)
class TokenFit:
    """What is left of the examples at some length; counts are of the whole version.

    Attributes:
        used: examples that are learned from or measured on.
        shortened: those that lost a part of the question only.
        cut_answers: those whose answer lost its end.
        left_out: not used, because they are too long or nothing can be learned.
        refused: the chat template does not take them, so the job would fail.
        mean_tokens: of a used example.
        mean_needed: up to the last token that predicts a learned one: what is computed.
        mean_square: of the needed tokens.
        mean_labels: learned tokens.
        longest: tokens of the longest used example.
        prefix: tokens that all examples begin with.
    """

    used: int
    shortened: int
    cut_answers: int
    left_out: int
    refused: int
    mean_tokens: float
    mean_needed: float
    mean_square: float
    mean_labels: float
    longest: int
    prefix: int

    def largest_batch(
        self, size: int, example_count: int, batches: int, *, shares_prefix: bool
    ) -> float:
        """Needed tokens of the largest of so many batches, as it is to be expected of examples in random order.

        The sums of batches lie about their mean as normal values do, and the largest of n such values near the
        quantile of Blom (1958); batches of one epoch are drawn without replacement.

        Args:
            size: examples of a batch.
            example_count: of an epoch.
            shares_prefix: whether the tokens that all examples begin with are computed once a batch.
        """
        deviation = math.sqrt(max(0.0, self.mean_square - self.mean_needed**2))
        of_all = max(0.0, (example_count - size) / max(1, example_count - 1))
        count = max(1, batches)
        quantile = NormalDist().inv_cdf((count - 0.375) / (count + 0.25))
        likely = size * self.mean_needed + quantile * deviation * math.sqrt(size * of_all)
        saved = (size - 1) * self.prefix if shares_prefix else 0
        return min(likely, size * self.longest) - saved


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """A version's examples, or an even sample of them.

    Attributes:
        prefix: tokens that all of them begin with and that are not learned.
        refused: examples of the sample that the chat template does not take.
        example_count: of the version.
    """

    examples: tuple[CountedExample, ...]
    prefix: int
    refused: int
    example_count: int

    @property
    def counted(self) -> int:
        return len(self.examples) + self.refused

    @property
    def is_sample(self) -> bool:
        return self.counted < self.example_count

    @property
    def whole_answer_length(self) -> int:
        """The least max_length that cuts no answer."""
        return max((example.whole_answer for example in self.examples), default=0)

    def at(self, max_length: int, overlong: str) -> TokenFit:
        """What training would make of them."""
        shortened = cut_answers = left_out = longest = 0
        tokens = needed = squares = labels = 0
        used = 0
        for example in self.examples:
            is_cut = example.length > max_length
            if not example.whole_answer or (is_cut and overlong == "drop"):
                left_out += 1
                continue
            length, last, learned = _kept(example, max_length)
            if not learned:
                left_out += 1
                continue
            used += 1
            cut_answers += is_cut and example.whole_answer > max_length
            shortened += is_cut and example.whole_answer <= max_length
            longest = max(longest, length)
            tokens, needed, labels = tokens + length, needed + last, labels + learned
            squares += last * last
        scale = self.example_count / self.counted if self.counted else 1.0
        divisor = max(1, used)
        return TokenFit(
            used=_scaled(used, scale),
            shortened=_scaled(shortened, scale),
            cut_answers=_scaled(cut_answers, scale),
            left_out=_scaled(left_out, scale),
            refused=_scaled(self.refused, scale),
            mean_tokens=tokens / divisor,
            mean_needed=needed / divisor,
            mean_square=squares / divisor,
            mean_labels=labels / divisor,
            longest=longest,
            prefix=min(self.prefix, int(needed / divisor)),
        )


def token_counts(
    version: DatasetVersion, base_model: ReadyModel, budget: int = PAGE_CHARACTERS
) -> TokenCounts:
    """Counted at the first request; later ones read the cache.

    Args:
        budget: characters that may be read now; a count that was made with more is taken as it is.

    Raises:
        UnavailableError: the file or the base model's tokenizer is not there.
    """
    key = f"preflight-tokens-{version.dataset.type}-{version.digest}-{base_model.digest}"
    found: tuple[int, dict[str, Any]] | None = cache.get(key)
    if found is not None and (found[0] >= budget or not _read(found[1], version).is_sample):
        return _read(found[1], version)
    values = _count(version, tokenizer_of(base_model), budget)
    cache.set(key, (budget, values), _KEPT_SECONDS)
    return _read(values, version)


def _read(values: dict[str, Any], version: DatasetVersion) -> TokenCounts:
    return TokenCounts(
        tuple(CountedExample(*example) for example in values["examples"]),
        values["prefix"],
        values["refused"],
        version.example_count,
    )


def _count(version: DatasetVersion, tokenizer: ModelTokenizer, budget: int) -> dict[str, Any]:
    examples: list[tuple[int, tuple[Stretch, ...], int]] = []
    prefix: list[int] | None = None
    refused = 0
    for example in _sample(version, budget):
        try:
            tokens = tokenizer.chat_format.tokenize(example)
        except (DatasetError, UnsupportedModelError):
            refused += 1
            continue
        labels = _stretches(tokens.is_label)
        whole = whole_answer_length(tokens.is_label)
        examples.append((len(tokens.input_ids), labels, whole))
        unlearned = max(0, labels[0][0] - 1) if labels else 0
        prefix = _common(prefix, tokens.input_ids[:unlearned])
    return {"examples": examples, "prefix": len(prefix or []), "refused": refused}


def _sample(version: DatasetVersion, budget: int) -> Iterator[Example]:
    """Every n-th example, so that about `budget` characters are read."""
    rendered = version.character_count + FRAME_CHARACTERS * version.example_count
    stride = max(1, -(-rendered // budget), -(-version.example_count // MAX_EXAMPLES))
    dataset_type = cast(DatasetType, version.dataset.type)
    for line in islice(lines_of(version), 0, None, stride):
        yield read_example(json.loads(line), dataset_type)


def _stretches(is_label: Sequence[bool]) -> tuple[Stretch, ...]:
    found: list[Stretch] = []
    start: int | None = None
    for index, label in enumerate([*is_label, False]):
        if label and start is None:
            start = index
        elif not label and start is not None:
            found.append((start, index))
            start = None
    return tuple(found)


def _common(first: list[int] | None, second: list[int]) -> list[int]:
    if first is None:
        return second
    pairs = zip(first, second, strict=False)
    end = next((index for index, (one, two) in enumerate(pairs) if one != two), None)
    return first[: min(len(first), len(second)) if end is None else end]


def _kept(example: CountedExample, max_length: int) -> tuple[int, int, int]:
    """Tokens of an example at this length, those of them that are computed, and those that are learned."""
    if example.length <= max_length:
        learned = sum(stop - max(start, 1) for start, stop in example.labels if stop > 1)
        return example.length, example.labels[-1][1] - 1, learned
    fitted = keep_answer(range(example.length), example.mask, max_length)
    last = max((index for index, label in enumerate(fitted.is_label) if label), default=0)
    # Nothing comes before the first token that could predict it.
    return len(fitted.is_label), last, sum(fitted.is_label[1:])


def _scaled(count: int, scale: float) -> int:
    return round(count * scale) if count else 0
