"""Sample answers say whether the adapter ended them."""

from __future__ import annotations

from collections.abc import Generator

from engine.models.loading import ResidentModel
from engine.protocol import SAMPLE_MAX_TOKENS
from engine.training.samples import Sample, draw_sample


def drawn(work: Generator[None, None, Sample]) -> tuple[Sample, int]:
    """The sample, and how often its drawing let other work in."""
    pauses = 0
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value, pauses
        pauses += 1


def test_an_answer_without_an_end_runs_into_the_limit(resident: ResidentModel) -> None:
    resident.chat_format.stop_ids = frozenset()
    sample, pauses = drawn(draw_sample(resident, None, "say 0"))
    assert sample.finish_reason == "length"
    assert sample.text
    assert pauses == SAMPLE_MAX_TOKENS


def test_an_answer_ends_at_a_stop_token(resident: ResidentModel) -> None:
    resident.chat_format.stop_ids = frozenset(range(1, 259))
    sample, pauses = drawn(draw_sample(resident, None, "say 0"))
    assert sample == Sample("", "stop")
    assert pauses == 0


def test_a_question_that_leaves_no_room_has_no_answer(resident: ResidentModel) -> None:
    question = "a" * resident.context_length
    assert drawn(draw_sample(resident, None, question)) == (Sample("", "length"), 0)
