"""What sets families apart, while training: the loss and the gradient of each equal the library's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.inference.room import DecodeRoom
from engine.models import attention, tiles
from engine.models.attention import PackedAttention
from engine.models.decoder import PackedDecoder
from engine.models.loading import ModelHost
from engine.models.products import TORCH
from engine.tests.chat_factories import run_room, text_of
from engine.tests.factories import (
    make_generation_spec,
    make_tiny_base_model,
    make_training_spec,
)
from engine.tests.families import FAMILIES
from engine.tests.test_passes import Bench, assert_same, make_rows
from engine.training.run import TrainingRun


def make_bench(host: ModelHost, folder: Path, name: str, **lora: Any) -> Bench:
    kind, settings = FAMILIES[name]
    return Bench(host.acquire(make_tiny_base_model(folder, kind=kind, **settings)), **lora)


@pytest.mark.parametrize("name", FAMILIES)
def test_loss_and_gradient_equal_the_library_s(host: ModelHost, tmp_path: Path, name: str) -> None:
    bench, rows = make_bench(host, tmp_path / "base", name), make_rows()
    wanted = bench.library(rows)
    assert_same(bench.ours(rows), wanted)
    assert_same(bench.ours(rows, share=False), wanted)
    assert_same(bench.ours(rows, 30, recompute=True), wanted)


@pytest.mark.parametrize("name", ["gemma2", "gemma3", "mistral with a window"])
@pytest.mark.parametrize("way", ["small tiles", "fused", "plain"])
def test_every_way_of_attention_gives_the_same_gradient(
    host: ModelHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, way: str
) -> None:
    bench = make_bench(host, tmp_path / "base", name, variant="dora")
    # A shared beginning that is longer than the window.
    rows = make_rows(shared=14)[2:]
    wanted = bench.library(rows)
    if way == "small tiles":
        monkeypatch.setattr(tiles, "TILE", 4)
        monkeypatch.setattr(attention, "TILE", 4)
    else:
        monkeypatch.setattr(PackedAttention, "_is_tiled", lambda *_: False)
        bench.decoder = PackedDecoder(
            bench.resident.decoder, TORCH, is_attention_fused=way == "fused"
        )
    assert_same(bench.ours(rows), wanted)
    assert_same(bench.ours(rows, share=False), wanted)


def test_a_job_leaves_an_adapter_that_answers_what_it_learned(
    host: ModelHost, tmp_path: Path
) -> None:
    # Not Gemma 2: its cap bends the large logits of random weights flat, and nothing could be learned.
    kind, settings = FAMILIES["gemma3"]
    base = make_tiny_base_model(tmp_path / "base", kind=kind, **settings)
    records = [{"instruction": "Who?", "output": "Me", "system": "Be brief."}]
    spec = make_training_spec(
        tmp_path, base, records, num_epochs=60, learning_rate=2e-2, lora={"r": 8, "alpha": 16}
    )
    *_, finished = TrainingRun("job", spec, host)
    assert finished["type"] == "finished"
    assert finished["final_loss"] < 0.5
    question = make_generation_spec(base, "Who?", adapter_path=spec.output_dir)
    question.turns.insert(0, {"role": "system", "content": "Be brief."})
    room = DecodeRoom(host.acquire(base))
    room.join("chat", question)
    assert text_of(run_room(room)["chat"]) == "Me"
