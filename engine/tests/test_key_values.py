from __future__ import annotations

import weakref

import pytest
import torch

from engine.inference.attending import StepAttention
from engine.inference.key_values import Arena, KeyValues, Layout
from engine.models.architecture import Scoring
from engine.models.attention import HeadCounts

PLAIN = Scoring(8**-0.5)


@pytest.fixture
def key_values() -> KeyValues:
    layout = Layout(1, HeadCounts(4, 2, 8), torch.device("cpu"), torch.float32)
    return KeyValues(layout, most_places=4, context_length=64)


def test_what_a_failed_row_leaves_behind_reaches_nobody(key_values: KeyValues) -> None:
    broken = key_values.draft(5)
    broken.memory.fill_(float("nan"))
    broken.length = 5
    stays = key_values.draft(5, torch.ones(1, 2, 2, 5, 8))
    longer = key_values.place(stays, 20)
    key_values.remove(key_values.place(broken, 20), is_clean=False)
    shorter = key_values.place(key_values.draft(2, torch.ones(1, 2, 2, 2, 8)), 20)
    attend = StepAttention([longer, shorter], key_values.layout)
    assert torch.isfinite(attend(0, torch.ones(2, 64), PLAIN)).all()


def test_a_row_sees_its_own_tokens_alone(key_values: KeyValues) -> None:
    generator = torch.Generator().manual_seed(0)
    lengths = (3, 9, 30)
    memories = [torch.randn(1, 2, 2, length, 8, generator=generator) for length in lengths]
    places = [
        key_values.place(key_values.draft(length, memory), length + (200 if length == 30 else 5))
        for length, memory in zip(lengths, memories, strict=True)
    ]
    assert len({place.arena for place in places}) == 2
    heads = torch.randn(3, 64, generator=generator)
    seen = StepAttention(places, key_values.layout)(0, heads, PLAIN)
    for row, memory in enumerate(memories):
        query, key, value = heads[row].split([32, 16, 16])
        keys = torch.cat([memory[0, 0], key.view(2, 1, 8)], dim=1)
        values = torch.cat([memory[0, 1], value.view(2, 1, 8)], dim=1)
        expected = torch.nn.functional.scaled_dot_product_attention(
            query.view(1, 4, 1, 8), keys[None], values[None], enable_gqa=True
        )
        assert torch.allclose(seen[row], expected.flatten(), atol=1e-6)


def test_memory_that_was_left_serves_the_next_conversation_of_its_length(
    key_values: KeyValues,
) -> None:
    alone = key_values.place(key_values.draft(9, torch.full((1, 2, 2, 9, 8), 5.0)), 20)
    key_values.remove(alone)
    following = key_values.place(key_values.draft(2, torch.ones(1, 2, 2, 2, 8)), 20)
    assert following.arena is alone.arena
    seen = StepAttention([following], key_values.layout)(0, torch.ones(1, 64), PLAIN)
    assert torch.allclose(seen, torch.ones(1, 32))


def test_one_memory_is_kept_at_most_and_none_after_clearing(key_values: KeyValues) -> None:
    def left(tokens: int) -> weakref.ref[Arena]:
        place = key_values.place(key_values.draft(2, torch.ones(1, 2, 2, 2, 8)), tokens)
        key_values.remove(place)
        return weakref.ref(place.arena)

    short, long = left(20), left(200)
    assert short() is None
    assert long() is not None
    key_values.clear()
    assert long() is None
