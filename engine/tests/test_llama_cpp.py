"""Answers that llama.cpp draws: the same text as the room's in float32, and the same rules around it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.export.gguf_bare import write_bare_gguf
from engine.inference.llama_cpp.binding import FLOAT32, find_library
from engine.inference.llama_cpp.model import LlamaModel
from engine.inference.llama_cpp.room import LlamaRoom
from engine.inference.room import DecodeRoom
from engine.models.loading import ModelHost, ResidentModel
from engine.protocol import GenerationSpec
from engine.signals import Signals
from engine.tests.chat_factories import run_room, text_of, tokens_of, write_adapter
from engine.tests.factories import make_generation_spec, make_tiny_base_model

pytestmark = pytest.mark.skipif(find_library() is None, reason="llama.cpp is not to be had here")


def open_room(resident: ResidentModel, folder: Path) -> LlamaRoom:
    file = folder / "base.gguf"
    write_bare_gguf(Path(resident.ref.path), file, "F32")
    model = LlamaModel(file, FLOAT32)
    return LlamaRoom(model, resident, folder / "cache", threads=1, precision="F32")


@pytest.fixture
def room(resident: ResidentModel, tmp_path: Path) -> Iterator[LlamaRoom]:
    room = open_room(resident, tmp_path)
    yield room
    room.free()


def drawn(room: LlamaRoom, resident: ResidentModel, specs: list[GenerationSpec]) -> list[list[int]]:
    """The tokens of requests that all come at once."""
    answers = [room.join(str(index), spec, resident) for index, spec in enumerate(specs)]
    events = run_room(room)
    assert all(events[answer.work_id][-1]["type"] == "finished" for answer in answers)
    return [answer.token_ids for answer in answers]


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2", "qwen3"])
def test_greedy_answers_are_those_of_the_room_for_base_and_adapters(
    host: ModelHost, tmp_path: Path, kind: str
) -> None:
    resident = host.acquire(make_tiny_base_model(tmp_path / "base", kind=kind))
    shapes = ({"r": 4}, {"r": 5, "variant": "rslora"}, {"rank_pattern": {"down_proj": 9}})
    folders: list[str | None] = [
        write_adapter(tmp_path / str(index), resident, seed=index, **shape)  # type: ignore[arg-type]
        for index, shape in enumerate(shapes)
    ]
    specs = [
        make_generation_spec(resident.ref, question, adapter_path=folder, max_tokens=20)
        for folder in [*folders, None]
        for question in ("hello", "What floats? " * 9)
    ]
    room = open_room(resident, tmp_path)
    expected = tokens_of(DecodeRoom(resident), specs)
    assert len(set(map(tuple, expected))) > 5
    # All at once, so their steps alternate; then each alone.
    assert drawn(room, resident, specs) == expected
    assert [drawn(room, resident, [spec])[0] for spec in specs] == expected
    assert len(room.adapters) == 3
    room.free()


def test_the_same_seed_draws_what_the_room_draws(room: LlamaRoom, resident: ResidentModel) -> None:
    settings = {
        "temperature": 0.9, "top_p": 0.9, "top_k": 40, "seed": 7, "repetition_penalty": 1.3,
    }  # fmt: skip
    spec = make_generation_spec(resident.ref, "hello", max_tokens=24, **settings)
    own = DecodeRoom(resident)
    assert drawn(room, resident, [spec]) == tokens_of(own, [spec])
    assert drawn(room, resident, [spec]) == drawn(room, resident, [spec])


def test_the_end_tells_who_drew_it_and_the_probabilities_are_those_of_the_room(
    room: LlamaRoom, resident: ResidentModel
) -> None:
    spec = make_generation_spec(resident.ref, "hello", max_tokens=5, logprobs=2)
    room.join("here", spec, resident)
    mine = run_room(room)["here"]
    own = DecodeRoom(resident)
    own.join("there", spec)
    theirs = run_room(own)["there"]
    assert text_of(mine) == text_of(theirs)
    assert mine[-1]["usage"] == theirs[-1]["usage"]
    assert mine[-1]["timings"]["path"] == "llama.cpp"
    assert mine[-1]["timings"]["backend"] == "llama.cpp F32"
    assert "backend" not in theirs[-1]["timings"]
    for here, there in zip(_logprobs(mine), _logprobs(theirs), strict=True):
        assert here["token"] == there["token"]
        assert here["logprob"] == pytest.approx(there["logprob"], abs=1e-2)
        assert [top["token"] for top in here["top"]] == [top["token"] for top in there["top"]]


def test_a_stop_text_ends_an_answer_and_is_not_told(
    room: LlamaRoom, resident: ResidentModel
) -> None:
    whole = make_generation_spec(resident.ref, "hello", max_tokens=20)
    room.join("whole", whole, resident)
    text = text_of(run_room(room)["whole"])
    stop = text[6:9]
    spec = make_generation_spec(resident.ref, "hello", max_tokens=20, stop=[stop])
    room.join("cut", spec, resident)
    events = run_room(room)["cut"]
    assert text_of(events) == text[: text.index(stop)]
    assert events[-1]["finish_reason"] == "stop"


def test_a_cancel_is_heard_at_the_next_token_and_frees_its_place(
    room: LlamaRoom, resident: ResidentModel
) -> None:
    signals = Signals()
    room.join("gone", make_generation_spec(resident.ref, "a", max_tokens=90), resident, signals)
    room.join("stays", make_generation_spec(resident.ref, "b", max_tokens=9), resident)
    for _ in range(4):
        room.step()
    signals.give("cancel")
    events = room.step()
    ended = [event for event in events if event["work_id"] == "gone"]
    assert [event["type"] for event in ended] == ["cancelled"]
    assert 0 < ended[0]["usage"]["completion_tokens"] < 90
    assert room.row_count == 1
    assert run_room(room)["stays"][-1]["type"] == "finished"


def test_a_conversation_is_remembered_for_its_own_adapter_only(
    room: LlamaRoom, resident: ResidentModel, tmp_path: Path
) -> None:
    folder = write_adapter(tmp_path / "adapter", resident, seed=1)
    first = replace(
        make_generation_spec(resident.ref, "hello", max_tokens=6), conversation="talk:1"
    )
    room.join("first", first, resident)
    answer = text_of(run_room(room)["first"])
    turns = [*first.turns, {"role": "assistant", "content": answer}]
    second = replace(first, turns=[*turns, {"role": "user", "content": "more"}])  # type: ignore[list-item]
    others = [replace(second, adapter_path=folder), replace(second, conversation="other:1")]
    cached = []
    for index, spec in enumerate([second, *others]):
        room.join(str(index), spec, resident)
        cached.append(run_room(room)[str(index)][-1]["usage"]["cached_tokens"])
    assert cached[0] > 10
    assert cached[1:] == [0, 0]
    plain = replace(second, conversation="")
    assert drawn(room, resident, [replace(second, conversation="talk:1")]) == tokens_of(
        DecodeRoom(resident), [plain]
    )


def _logprobs(events: list[dict]) -> list[dict]:
    return [item for event in events for item in event.get("logprobs", [])]
