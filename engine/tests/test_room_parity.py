"""What is drawn in company equals what PEFT's own `generate` draws alone, token for token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.inference.decode import decode
from engine.inference.prompts import read_prompt
from engine.inference.room import DecodeRoom
from engine.models.loading import ModelHost, ResidentModel
from engine.protocol import GenerationSpec
from engine.tests.chat_factories import (
    PeftAnswers,
    tokens_of,
    write_adapter,
)
from engine.tests.factories import make_generation_spec, make_tiny_base_model

SHAPES: tuple[dict[str, Any], ...] = (
    {"r": 4},
    {"r": 8, "alpha": 16},
    {"r": 16, "target_modules": ["q_proj", "v_proj"]},
    {"r": 5, "variant": "rslora"},
    {"r": 12, "alpha": 7},
    {"r": 4, "rank_pattern": {"down_proj": 9, "k_proj": 2}, "alpha_pattern": {"up_proj": 3}},
    {"r": 3, "target_modules": ["down_proj"]},
    {"r": 6, "variant": "dora"},
    {"r": 8, "variant": "dora", "target_modules": ["v_proj", "o_proj", "gate_proj"]},
    {"r": 1, "target_modules": ["o_proj", "up_proj"]},
)


def write_thirty(folder: Path, resident: ResidentModel) -> list[str]:
    return [
        write_adapter(folder / f"adapter{seed}", resident, seed=seed, **SHAPES[seed % len(SHAPES)])
        for seed in range(30)
    ]


def test_thirty_adapters_answer_as_with_peft_alone_together_and_in_passing(
    resident: ResidentModel, tmp_path: Path
) -> None:
    folders: list[str | None] = [*write_thirty(tmp_path, resident), None]
    specs = [
        make_generation_spec(
            resident.ref, f"question {'x' * index}", adapter_path=folder, max_tokens=6 + index % 7
        )
        for index, folder in enumerate(folders)
    ]
    peft = PeftAnswers(resident, [folder for folder in folders if folder])
    expected = [peft.tokens(spec) for spec in specs]
    assert len(set(map(tuple, expected))) > 25

    room = DecodeRoom(resident)
    assert tokens_of(room, specs) == expected
    assert [tokens_of(room, [spec])[0] for spec in specs] == expected

    answers = []
    joining = list(enumerate(specs))
    while joining or not room.is_idle:
        answers += [room.join(str(index), spec) for index, spec in joining[:2]]
        del joining[:2]
        room.step()
    assert [answer.token_ids for answer in answers] == expected


def test_users_of_one_adapter_share_its_place(resident: ResidentModel, tmp_path: Path) -> None:
    shared, other = (write_adapter(tmp_path / str(n), resident, seed=n) for n in (1, 2))
    specs = [
        make_generation_spec(resident.ref, question, adapter_path=folder)
        for question, folder in (
            ("a", shared), ("b", other), ("cc", shared), ("d", None), ("ee", shared)
        )
    ]  # fmt: skip
    peft = PeftAnswers(resident, [shared, other])
    room = DecodeRoom(resident)
    assert tokens_of(room, specs) == [peft.tokens(spec) for spec in specs]
    assert len(room.adapters) == 2


def test_trained_biases_are_those_of_their_row(host: ModelHost, tmp_path: Path) -> None:
    resident = host.acquire(make_tiny_base_model(tmp_path / "base", kind="qwen2"))
    folders: list[str | None] = [
        write_adapter(tmp_path / bias, resident, seed=3, bias=bias, strength=0.6)
        for bias in ("all", "none")
    ]
    specs = [
        make_generation_spec(resident.ref, "hello", adapter_path=folder, max_tokens=24)
        for folder in [*folders, None]
    ]
    peft = [library_tokens(resident, spec) for spec in specs]
    assert tokens_of(DecodeRoom(resident), specs) == peft
    assert len(set(map(tuple, peft))) == 3


def library_tokens(resident: ResidentModel, spec: GenerationSpec) -> list[int]:
    """Through PEFT's layers on the resident model."""
    adapter = None
    if spec.adapter_path is not None:
        adapter = resident.adapter_cache.acquire(spec.adapter_path, "")
    prompt = read_prompt(spec, resident.chat_format, resident.context_length).token_ids
    drawn = decode(resident, adapter, prompt, spec.sampling)
    return [token for token in drawn if token is not None]
