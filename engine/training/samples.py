"""Answers of the learning adapter to fixed prompts, so that a reader sees them change."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal

from engine.config import SamplingParams
from engine.data.records import Turn
from engine.inference.decode import decode
from engine.inference.detokenizer import StreamingDetokenizer
from engine.models.loading import ResidentModel
from engine.protocol import SAMPLE_MAX_TOKENS

SAMPLING = SamplingParams(temperature=0.0, max_tokens=SAMPLE_MAX_TOKENS)
"""Greedy, so that two samples differ by the training alone."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer.

    Attributes:
        finish_reason: `stop` where the adapter ended it, `length` where it ran into the limit.
    """

    text: str
    finish_reason: Literal["stop", "length"]


def draw_sample(
    resident: ResidentModel, adapter: str | None, prompt: str
) -> Generator[None, None, Sample]:
    """The answer to a question; yields between tokens. Empty when the question leaves no room."""
    ids = resident.chat_format.prompt([Turn("user", prompt, False)])
    if len(ids) >= resident.context_length:
        return Sample("", "length")
    detokenizer = StreamingDetokenizer(resident.tokenizer)
    text = ""
    for token_id in decode(resident, adapter, ids, SAMPLING):
        if token_id in resident.chat_format.stop_ids:
            return Sample(text.strip(), "stop")
        if token_id is not None:
            text += detokenizer.push(token_id)
        yield
    return Sample(text.strip(), "length")
