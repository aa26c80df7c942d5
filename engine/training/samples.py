"""Answers of the learning adapter to fixed prompts, so that a reader sees them change."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from engine.config import SamplingParams
from engine.data.records import Turn
from engine.inference.decode import decode
from engine.inference.detokenizer import StreamingDetokenizer
from engine.models.loading import ResidentModel

SAMPLING = SamplingParams(temperature=0.0, max_tokens=64)
"""Greedy, so that two samples differ by the training alone; long enough for an answer of a lesson."""


def answer(resident: ResidentModel, adapter: str | None, prompt: str) -> Generator[None, None, str]:
    """The answer to a question; yields between tokens. Empty when the question leaves no room."""
    ids = resident.chat_format.prompt([Turn("user", prompt, False)])
    if len(ids) >= resident.context_length:
        return ""
    detokenizer = StreamingDetokenizer(resident.tokenizer)
    text = ""
    for token_id in _tokens(resident, adapter, ids):
        if token_id is not None:
            text += detokenizer.push(token_id)
        yield
    return text.strip()


def _tokens(resident: ResidentModel, adapter: str | None, ids: list[int]) -> Iterator[int | None]:
    for token_id in decode(resident, adapter, ids, SAMPLING):
        if token_id in resident.chat_format.stop_ids:
            return
        yield token_id
