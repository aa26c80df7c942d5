"""Chats with the other families: token for token what PEFT's own `generate` draws alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.inference.attending import ReadAttention, StepAttention
from engine.inference.blocks import ChatBlocks, is_batched
from engine.inference.key_values import KeyValues, Layout
from engine.inference.limits import RoomLimits
from engine.inference.room import DecodeRoom
from engine.inference.run import GenerationRun
from engine.models.loading import ModelHost, ResidentModel
from engine.protocol import GenerationSpec
from engine.tests.chat_factories import PeftAnswers, run_room, tokens_of, write_adapter
from engine.tests.factories import make_generation_spec, make_tiny_base_model
from engine.tests.families import FAMILIES
from engine.tests.test_room_parity import library_tokens

SHAPES: tuple[dict[str, Any], ...] = (
    {},
    {"variant": "dora"},
    {"r": 8, "target_modules": ["q_proj", "k_proj"], "variant": "rslora"},
    {"r": 3, "target_modules": ["down_proj", "o_proj"]},
)


def make_resident(host: ModelHost, folder: Path, name: str) -> ResidentModel:
    kind, settings = FAMILIES[name]
    resident = host.acquire(make_tiny_base_model(folder, kind=kind, **settings))
    assert is_batched(resident)
    return resident


def make_specs(resident: ResidentModel, folder: Path) -> list[GenerationSpec]:
    """Questions of several lengths to four adapters and to the base model."""
    folders: list[str | None] = [
        write_adapter(folder / str(index), resident, seed=index, **shape)
        for index, shape in enumerate(SHAPES)
    ]
    return [
        make_generation_spec(
            resident.ref, f"hello {'x' * 9 * index}", adapter_path=path, max_tokens=20 + index
        )
        for index, path in enumerate([*folders, None, folders[0]])
    ]


def expected_of(resident: ResidentModel, specs: list[GenerationSpec]) -> list[list[int]]:
    folders = dict.fromkeys(spec.adapter_path for spec in specs if spec.adapter_path)
    peft = PeftAnswers(resident, list(folders))
    return [peft.tokens(spec) for spec in specs]


@pytest.mark.parametrize("name", FAMILIES)
def test_adapters_answer_as_with_peft_alone_together_and_in_passing(
    host: ModelHost, tmp_path: Path, name: str
) -> None:
    resident = make_resident(host, tmp_path / "base", name)
    specs = make_specs(resident, tmp_path)
    expected = expected_of(resident, specs)
    assert len(set(map(tuple, expected))) >= 4

    room = DecodeRoom(resident)
    assert tokens_of(room, specs) == expected
    assert [tokens_of(room, [spec])[0] for spec in specs] == expected

    answers = []
    joining = list(enumerate(specs))
    while joining or not room.is_idle:
        answers += [room.join(str(index), spec) for index, spec in joining[:1]]
        del joining[:1]
        for _ in range(4):
            room.step()
    assert [answer.token_ids for answer in answers] == expected


@pytest.mark.parametrize("name", ["gemma2", "gemma3", "mistral with a window"])
def test_prompts_that_are_read_in_parts_answer_the_same(
    host: ModelHost, tmp_path: Path, name: str
) -> None:
    resident = make_resident(host, tmp_path / "base", name)
    specs = make_specs(resident, tmp_path)
    room = DecodeRoom(resident, limits=replace(RoomLimits.of(resident.device), read_tokens=12))
    assert tokens_of(room, specs) == expected_of(resident, specs)


@pytest.mark.parametrize("name", ["gemma2", "gemma3", "gemma3 with caps", "qwen3 with a window"])
def test_the_library_s_way_draws_and_scores_the_same(
    host: ModelHost, tmp_path: Path, name: str
) -> None:
    """Samples of a training job are drawn that way."""
    resident = make_resident(host, tmp_path / "base", name)
    specs = make_specs(resident, tmp_path)
    assert [library_tokens(resident, spec) for spec in specs] == expected_of(resident, specs)
    scored = replace(specs[4], scored_answer="yes it is")
    *_, alone = GenerationRun("alone", scored, host)
    room = DecodeRoom(resident)
    room.join("room", scored)
    (together,) = run_room(room)["room"]
    assert together["scored_loss"] == pytest.approx(alone["scored_loss"], rel=1e-5)


@pytest.mark.parametrize("name", ["gemma2", "gemma3"])
def test_a_remembered_beginning_answers_the_same(
    host: ModelHost, tmp_path: Path, name: str
) -> None:
    resident = make_resident(host, tmp_path / "base", name)
    spec = replace(make_specs(resident, tmp_path)[0], conversation="talk")
    room = DecodeRoom(resident)
    first = room.join("1", spec)
    run_room(room)
    again = room.join("2", spec)
    run_room(room)
    assert again.usage["cached_tokens"]
    assert first.token_ids == again.token_ids == expected_of(resident, [spec])[0]


def nothing_added(*_arguments: object) -> None:
    """The base model without adapters (engine.inference.blocks.Adapt)."""


@pytest.mark.parametrize("name", FAMILIES)
@torch.no_grad()
def test_read_in_parts_and_drawn_side_by_side_the_logits_are_the_library_s(
    host: ModelHost, tmp_path: Path, name: str
) -> None:
    """The likeliest token alone would hide a cap, or a small slip of an angle."""
    resident = make_resident(host, tmp_path / "base", name)
    generator = torch.Generator().manual_seed(0)
    texts = [torch.randint(3, 259, (length,), generator=generator) for length in (40, 47)]
    wanted = [resident.model(text.unsqueeze(0)).logits[0] for text in texts]
    blocks = ChatBlocks(resident)
    layout = Layout(resident.layer_count, blocks.heads, torch.device("cpu"), torch.float32)
    key_values = KeyValues(layout, most_places=2, context_length=64)
    places = []
    for text, logits in zip(texts, wanted, strict=True):
        draft = key_values.draft(len(text) - 20)
        while draft.length < len(text) - 20:
            part = torch.arange(draft.length, min(draft.length + 11, len(text) - 20))
            attend = ReadAttention([(draft, len(part))], layout)
            found = blocks.logits(blocks.hidden(text[part], part, attend, nothing_added))
            torch.testing.assert_close(found, logits[part], atol=1e-4, rtol=1e-4)
            draft.length += len(part)
        places.append(key_values.place(draft, len(text)))
    for _ in range(20):
        positions = torch.tensor([place.length for place in places])
        tokens = torch.stack([text[at] for text, at in zip(texts, positions, strict=True)])
        attend = StepAttention(places, layout)
        found = blocks.logits(blocks.hidden(tokens, positions, attend, nothing_added))
        expected = torch.stack([rows[at] for rows, at in zip(wanted, positions, strict=True)])
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
        for place in places:
            place.length += 1
