"""Who draws an answer: llama.cpp where few are asked for, the room for everything else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.inference.llama_cpp import choice as choosing
from engine.inference.llama_cpp.binding import PACKAGE, find_library
from engine.inference.llama_cpp.choice import LlamaChoice, read_chat_engine
from engine.inference.llama_cpp.files import base_file, is_whole
from engine.inference.llama_cpp.trial import Trial, remembered_trial
from engine.inference.rooms import ChatRooms
from engine.loop import EngineLoop
from engine.models.chat_precision import Quality
from engine.models.loading import ModelHost, ResidentModel
from engine.protocol import BaseModelRef, GenerationSpec, Request, generation_body
from engine.signals import Signals
from engine.tests.chat_factories import write_adapter
from engine.tests.factories import make_generation_spec

needs_llama = pytest.mark.skipif(find_library() is None, reason="llama.cpp is not to be had here")
GOOD = Quality(0.001, 0.99, 1.0)


def fast_trial(token_seconds: float = 0.01, quality: Quality = GOOD) -> Trial:
    """The room takes 25 ms a step with one row, 40 with eight; it reads five times as fast."""
    return Trial(quality, (0.025, 0.027, 0.031, 0.04), token_seconds, 0.001, 0.005)


def open_choice(host: ModelHost, folder: Path, engine: str = "llama_cpp") -> LlamaChoice:
    return LlamaChoice(folder, host.is_resident, engine, format="F32", is_patient=True)


@pytest.fixture(autouse=True)
def _quiet_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (0.5, 0.5, 0.5))


def seed_trial(resident: ResidentModel, folder: Path, trial: Trial) -> None:
    """As if this host had tried it before."""
    memory = folder / resident.ref.digest[:16] / "trial-F32.json"
    memory.parent.mkdir(parents=True)
    remembered_trial(memory, choosing._host(resident, torch.get_num_threads()), lambda: trial)


class Asked:
    """Rooms that are asked and stepped by hand."""

    def __init__(self, host: ModelHost, choice: LlamaChoice) -> None:
        self._rooms = ChatRooms(host, choice)
        self._count = 0

    def ask(self, spec: GenerationSpec) -> str:
        self._count += 1
        work_id = str(self._count)
        self._rooms.join(work_id, spec, Signals(), 0.0)
        return work_id

    def paths(self) -> dict[str, str]:
        """Run until all have ended: who drew each answer."""
        found = {}
        while not self._rooms.is_idle:
            for event in self._rooms.step():
                if event["type"] == "finished":
                    found[event["work_id"]] = event["timings"]["path"]
        return found

    def close(self) -> None:
        self._rooms.close()


@pytest.fixture
def asked(host: ModelHost, tmp_path: Path) -> Iterator[Asked]:
    asked = Asked(host, open_choice(host, tmp_path / "cache"))
    yield asked
    asked.close()


def of_session(spec: GenerationSpec, session: str, answerer: int = 1) -> GenerationSpec:
    return replace(spec, conversation=f"{session}:{answerer}", owner="somebody")


@needs_llama
def test_beyond_what_was_measured_the_room_draws(
    host: ModelHost, resident: ResidentModel, tmp_path: Path
) -> None:
    seed_trial(resident, tmp_path, fast_trial())
    assert fast_trial().most_rows == 2
    asked = Asked(host, open_choice(host, tmp_path, "auto"))
    for index in range(4):
        asked.ask(of_session(make_generation_spec(resident.ref), f"session{index}"))
    assert sorted(asked.paths().items()) == [
        ("1", "llama.cpp"), ("2", "llama.cpp"), ("3", "batched"), ("4", "batched"),
    ]  # fmt: skip
    asked.close()


@needs_llama
def test_of_many_who_ask_at_once_none_is_one_of_few(
    host: ModelHost, resident: ResidentModel, tmp_path: Path
) -> None:
    seed_trial(resident, tmp_path / "llama-cpp", fast_trial())
    events: list[dict[str, Any]] = []
    choice = open_choice(host, tmp_path / "llama-cpp", "auto")
    loop = EngineLoop(host, events.append, choice)
    for count in (4, 2):
        for index in range(count):
            spec = of_session(make_generation_spec(resident.ref), f"{count} ask, {index}")
            loop.submit(Request("generate", f"{count}-{index}", generation_body(spec)))
        while loop.open_work_count:
            loop.run_once()
    paths = {e["work_id"]: e["timings"]["path"] for e in events if e["type"] == "finished"}
    assert paths == {
        "4-0": "batched", "4-1": "batched", "4-2": "batched", "4-3": "batched",
        "2-0": "llama.cpp", "2-1": "llama.cpp",
    }  # fmt: skip
    loop.stop()
    loop.run()


@needs_llama
def test_models_beside_each_other_are_drawn_in_the_same_way(
    host: ModelHost, resident: ResidentModel, tmp_path: Path
) -> None:
    seed_trial(resident, tmp_path / "cache", fast_trial(0.02))
    folder = write_adapter(tmp_path / "adapter", resident, seed=1)
    asked = Asked(host, open_choice(host, tmp_path / "cache", "auto"))
    spec = make_generation_spec(resident.ref, "who?", max_tokens=64)
    tuned = replace(spec, adapter_path=folder)
    asked.ask(of_session(spec, "a", 1))
    asked.ask(of_session(spec, "b", 1))
    asked.ask(of_session(tuned, "b", 2))
    asked.ask(of_session(tuned, "a", 2))
    paths = asked.paths()
    # One answer at a time is the measured limit, and session a's message began below it.
    assert paths == {"1": "llama.cpp", "2": "batched", "3": "batched", "4": "llama.cpp"}
    # The same message once more, alone now: as before.
    asked.ask(of_session(tuned, "b", 2))
    assert list(asked.paths().values()) == ["batched"]
    asked.close()


@needs_llama
def test_what_llama_cpp_can_not_do_goes_to_the_room_and_its_session_with_it(
    asked: Asked, resident: ResidentModel, tmp_path: Path
) -> None:
    dora = write_adapter(tmp_path / "dora", resident, seed=1, variant="dora")
    spec = make_generation_spec(resident.ref)
    asked.ask(of_session(replace(spec, adapter_path=dora), "a", 1))
    asked.ask(of_session(spec, "a", 2))
    asked.ask(of_session(replace(spec, scored_answer="yes"), "b"))
    asked.ask(of_session(spec, "c"))
    assert asked.paths() == {"1": "batched", "2": "batched", "3": "batched", "4": "llama.cpp"}


@needs_llama
def test_an_adapter_that_fails_there_is_told_of_by_the_room(
    asked: Asked, resident: ResidentModel, tmp_path: Path
) -> None:
    folder = write_adapter(tmp_path / "adapter", resident, seed=1)
    (Path(folder) / "adapter_model.safetensors").write_bytes(b"no weights")
    asked.ask(replace(make_generation_spec(resident.ref), adapter_path=folder))
    events = [event for _ in range(2) for event in asked._rooms.step()]
    assert [(event["type"], event["code"]) for event in events] == [("failed", "adapter_unusable")]


@needs_llama
def test_a_prompt_that_takes_longer_to_read_than_its_answer_wins_goes_to_the_room() -> None:
    trial = fast_trial()
    assert trial.is_worth(unread=40, max_tokens=256, rows=1)
    assert not trial.is_worth(unread=400, max_tokens=256, rows=1)
    assert not trial.is_worth(unread=40, max_tokens=4, rows=1)


def test_predictions_that_move_too_far_leave_everything_to_the_room() -> None:
    assert fast_trial(quality=Quality(0.02, 0.9, 1.0)).most_rows == 0
    assert fast_trial(token_seconds=0.03).most_rows == 0
    assert fast_trial(token_seconds=0.004).most_rows == 8


def test_a_trial_is_made_once_for_a_host(tmp_path: Path) -> None:
    calls: list[Trial] = []

    def find_out() -> Trial:
        calls.append(fast_trial())
        return calls[-1]

    memory = tmp_path / "trial.json"
    first = remembered_trial(memory, {"processor": "a"}, find_out)
    assert remembered_trial(memory, {"processor": "a"}, find_out) == first
    assert len(calls) == 1
    remembered_trial(memory, {"processor": "b"}, find_out)
    memory.write_text("{")
    remembered_trial(memory, {"processor": "b"}, find_out)
    assert len(calls) == 3


def test_what_a_busy_host_told_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (999.0, 0.5, 0.5))
    memory = tmp_path / "trial.json"
    assert remembered_trial(memory, {}, fast_trial) == fast_trial()
    assert not memory.exists()


@needs_llama
def test_a_trial_of_a_real_room_tells_speeds_of_both(
    host: ModelHost, resident: ResidentModel, tmp_path: Path
) -> None:
    choice = open_choice(host, tmp_path, "auto")
    choice.choose(resident, make_generation_spec(resident.ref), 0)
    assert list(tmp_path.rglob("trial-F32.json"))
    choice.close()


def test_the_environment_may_leave_everything_to_the_room(
    host: ModelHost, resident: ResidentModel, tmp_path: Path
) -> None:
    choice = open_choice(host, tmp_path, "room")
    assert choice.choose(resident, make_generation_spec(resident.ref), 0) is None
    assert not list(tmp_path.iterdir())
    assert read_chat_engine("abacus") == "auto"


def test_without_the_wheel_the_room_draws(
    host: ModelHost, resident: ResidentModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    known = metadata.version

    def version(name: str) -> str:
        return missing(name) if name == PACKAGE else known(name)

    monkeypatch.setattr(metadata, "version", version)
    find_library.cache_clear()
    try:
        asked = Asked(host, open_choice(host, tmp_path))
        asked.ask(make_generation_spec(resident.ref))
        assert list(asked.paths().values()) == ["batched"]
        assert not list(tmp_path.iterdir())
    finally:
        find_library.cache_clear()


@needs_llama
def test_rows_too_short_for_the_format_are_not_even_begun(
    host: ModelHost, resident: ResidentModel, tmp_path: Path
) -> None:
    choice = LlamaChoice(tmp_path, host.is_resident, "llama_cpp", is_patient=True)
    assert choice.choose(resident, make_generation_spec(resident.ref), 0) is None
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_is_made_again(tiny_base_model: BaseModelRef, tmp_path: Path) -> None:
    file = base_file(tmp_path, tiny_base_model, "F32")
    whole = file.read_bytes()
    assert is_whole(file)
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert not is_whole(file)
    assert base_file(tmp_path, tiny_base_model, "F32").read_bytes() == whole
    assert is_whole(file)
    assert not [path for path in file.parent.iterdir() if "tmp" in path.name]


@needs_llama
def test_a_model_that_left_the_engine_leaves_llama_cpp_too(
    host: ModelHost, resident: ResidentModel, tmp_path: Path
) -> None:
    held: dict[str, bool] = {}

    def is_resident(ref: BaseModelRef) -> bool:
        return held.get(ref.digest, True)

    choice = LlamaChoice(tmp_path, is_resident, "llama_cpp", format="F32", is_patient=True)
    chosen = choice.choose(resident, make_generation_spec(resident.ref), 0)
    assert chosen is not None
    held[resident.ref.digest] = False
    again = choice.choose(resident, make_generation_spec(resident.ref), 0)
    assert chosen[0].model.handle is None
    assert again is not None
    assert again[0] is not chosen[0]
    choice.close()
