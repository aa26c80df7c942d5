from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from engine import protocol
from engine.loop import EngineLoop
from engine.models.loading import ModelHost, ResidentModel
from engine.protocol import BaseModelRef, Request, generation_body, training_body
from engine.tests.factories import (
    make_generation_spec,
    make_instructions,
    make_tiny_base_model,
    make_training_spec,
)

Event = dict[str, Any]


class Bench:
    """A loop stepped by hand, with everything that it told."""

    def __init__(self, host: ModelHost, clock: Callable[[], float] = time.monotonic) -> None:
        self.events: list[Event] = []
        self.loop = EngineLoop(host, self.events.append, clock=clock)

    def train(self, work_id: str, spec: Any) -> None:
        self.loop.submit(Request("train", work_id, training_body(spec)))

    def generate(self, work_id: str, spec: Any) -> None:
        self.loop.submit(Request("generate", work_id, generation_body(spec)))

    def cancel(self, work_id: str) -> None:
        self.loop.submit(Request("cancel", work_id))

    def close(self) -> None:
        """Drop what is under way."""
        self.loop.stop()
        self.loop.run()

    def run(self) -> None:
        while self.loop.open_work_count:
            self.loop.run_once()

    def run_until(self, work_id: str, kind: str) -> None:
        while not self.of(work_id, kind):
            assert not [e for e in self.of(work_id) if e["type"] in protocol.TERMINAL_TYPES]
            self.loop.run_once()

    def of(self, work_id: str, kind: str | None = None) -> list[Event]:
        mine = [event for event in self.events if event["work_id"] == work_id]
        return [event for event in mine if kind is None or event["type"] == kind]

    def end(self, work_id: str) -> Event:
        endings = [e for e in self.of(work_id) if e["type"] in protocol.TERMINAL_TYPES]
        assert len(endings) == 1
        assert self.of(work_id)[-1] is endings[0]
        return endings[0]


@pytest.fixture
def bench(host: ModelHost) -> Bench:
    return Bench(host)


def test_a_chat_gets_its_turn_while_a_job_trains(
    bench: Bench, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    bench.train("job", make_training_spec(tmp_path, tiny_base_model, num_epochs=10))
    bench.run_until("job", "step")
    bench.generate("reply", make_generation_spec(tiny_base_model))
    bench.run()
    assert bench.end("job")["type"] == bench.end("reply")["type"] == "finished"
    steps_before_the_reply = [
        e for e in bench.events[: bench.events.index(bench.end("reply"))] if e["type"] == "step"
    ]
    assert len(steps_before_the_reply) < len(bench.of("job", "step"))


def test_a_job_beside_chats_takes_at_most_twice_as_long(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    taken = []
    for name in ("alone", "beside"):
        # Every step takes one second.
        bench = Bench(host, clock=itertools.count().__next__)
        bench.train(name, make_training_spec(tmp_path, tiny_base_model, name=name, num_epochs=20))
        asked = steps = 0
        while not bench.of(name, "finished"):
            while name == "beside" and bench.loop.open_work_count <= 8:
                asked += 1
                spec = make_generation_spec(tiny_base_model, seed=asked, temperature=1.0)
                bench.generate(f"chat{asked}", spec)
            bench.loop.run_once()
            steps += 1
        taken.append(steps)
        bench.close()
    alone, beside = taken
    assert 1.5 * alone < beside <= 2 * alone


def test_a_first_token_does_not_wait_for_training(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    taken = []
    for has_job in (False, True):
        bench = Bench(host, clock=itertools.count().__next__)
        if has_job:
            bench.train("job", make_training_spec(tmp_path, tiny_base_model, num_epochs=100))
            bench.run_until("job", "step")
        bench.generate("other", make_generation_spec(tiny_base_model, max_tokens=100))
        bench.run_until("other", "text")
        # Training is owed something now.
        bench.generate("reply", make_generation_spec(tiny_base_model, max_tokens=1))
        steps = 0
        while not bench.of("reply", "finished"):
            bench.loop.run_once()
            steps += 1
        taken.append(steps)
        bench.close()
    assert taken[0] == taken[1]


def test_a_chat_does_not_move_what_a_job_learns(
    bench: Bench, host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    alone, beside = (
        make_training_spec(tmp_path, tiny_base_model, name=name, lora={"dropout": 0.2})
        for name in ("a", "b")
    )
    bench.train("a", alone)
    bench.run()
    bench.train("b", beside)
    for index in range(3):
        spec = make_generation_spec(tiny_base_model, temperature=1.0, adapter_path=alone.output_dir)
        bench.generate(f"reply{index}", spec)
    bench.run()
    assert bench.end("a")["adapter_digest"] == bench.end("b")["adapter_digest"]


def test_the_job_with_the_least_left_goes_first_and_the_others_are_told(
    bench: Bench, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    bench.train("long", make_training_spec(tmp_path, tiny_base_model, name="long", num_epochs=100))
    bench.run_until("long", "step")
    bench.train("short", make_training_spec(tmp_path, tiny_base_model, name="short"))
    bench.run()
    ends = [bench.events.index(bench.end(name)) for name in ("short", "long")]
    assert ends == sorted(ends)
    stages = [event["stage"] for event in bench.of("long", "stage")]
    assert stages == ["preparing", "training", "queued", "training", "saving"]
    assert [event["stage"] for event in bench.of("short", "stage")][0] == "queued"
    steps = [event["step"] for event in bench.of("long", "step")]
    assert steps == list(range(1, len(steps) + 1))


def test_jobs_that_take_turns_learn_what_each_learns_alone(
    bench: Bench, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    alone = make_training_spec(tmp_path, tiny_base_model, name="alone", num_epochs=60)
    bench.train("alone", alone)
    bench.run()
    bench.train("beside", replace(alone, output_dir=str(tmp_path / "beside")))
    bench.run_until("beside", "step")
    for index in range(3):
        other = make_training_spec(
            tmp_path, tiny_base_model, name=f"other{index}", lora={"dropout": 0.1, "r": 2}
        )
        bench.train(f"other{index}", other)
    bench.run()
    assert bench.end("alone")["adapter_digest"] == bench.end("beside")["adapter_digest"]


def test_stop_keeps_what_was_learned_and_suspend_leaves_a_checkpoint(
    bench: Bench, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    endless = make_instructions(300)
    for name in ("stopped", "suspended"):
        spec = make_training_spec(
            tmp_path, tiny_base_model, endless, name=name, num_epochs=100, batch_size=1
        )
        bench.train(name, spec)
        bench.run_until(name, "step")
        bench.loop.submit(Request("stop" if name == "stopped" else "suspend", name))
        bench.run()
    stopped = bench.end("stopped")
    assert stopped["stopped_by_request"]
    assert stopped["adapter_step"] == bench.of("stopped", "step")[-1]["step"]
    assert (tmp_path / "stopped" / "manifest.json").is_file()
    assert bench.end("suspended")["suspended"]
    assert list((tmp_path / "suspended.checkpoints").iterdir())


def test_answers_take_turns(bench: Bench, tiny_base_model: BaseModelRef) -> None:
    for name in ("a", "b"):
        bench.generate(name, make_generation_spec(tiny_base_model, temperature=1.5, max_tokens=40))
    bench.run()
    first_end = bench.events.index(bench.end("a"))
    assert any(event["work_id"] == "b" for event in bench.events[:first_end])


def test_a_model_that_the_room_does_not_know_goes_the_library_s_way(
    bench: Bench, resident: ResidentModel, tiny_base_model: BaseModelRef
) -> None:
    bench.generate("together", make_generation_spec(tiny_base_model))
    bench.run()
    # As of a model whose angles depend on the length of the text.
    resident.packed.architecture = replace(resident.packed.architecture, has_still_rotations=False)
    bench.generate("alone", make_generation_spec(tiny_base_model))
    bench.run()
    paths = [bench.end(name)["timings"]["path"] for name in ("together", "alone")]
    assert paths == ["batched", "library"]
    texts = ["".join(e["text"] for e in bench.of(n, "text")) for n in ("together", "alone")]
    assert texts[0] == texts[1]


def test_a_failure_ends_only_its_own_work(
    bench: Bench, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    bench.train("bad", make_training_spec(tmp_path, tiny_base_model, [], name="bad"))
    bench.train("good", make_training_spec(tmp_path, tiny_base_model, name="good"))
    bench.generate("lost", make_generation_spec(tiny_base_model, adapter_path=str(tmp_path / "x")))
    bench.generate("reply", make_generation_spec(tiny_base_model))
    bench.run()
    assert bench.end("bad")["code"] == "dataset_unusable"
    assert bench.end("lost")["code"] == "adapter_unusable"
    assert bench.end("good")["type"] == bench.end("reply")["type"] == "finished"


def test_cancel_ends_running_and_waiting_work(
    bench: Bench, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    for name, count in (("running", 300), ("waiting", 600), ("next", 2)):
        records = make_instructions(count)
        spec = make_training_spec(tmp_path, tiny_base_model, records, name=name, num_epochs=100)
        bench.train(name, spec)
    bench.run_until("running", "step")
    bench.cancel("waiting")
    bench.loop.run_once()
    assert bench.end("waiting")["type"] == "cancelled"
    bench.generate("reply", make_generation_spec(tiny_base_model, max_tokens=400))
    bench.loop.run_once()
    bench.cancel("running")
    bench.cancel("reply")
    bench.cancel("unknown")
    bench.run()
    assert bench.end("running")["type"] == "cancelled"
    assert bench.end("reply")["type"] == "cancelled"
    assert bench.end("reply")["usage"]["prompt_tokens"] > 0
    assert bench.end("next")["type"] == "finished"


def test_unreadable_requests_are_answered(bench: Bench, tiny_base_model: BaseModelRef) -> None:
    bench.loop.submit(Request("train", "empty", {}))
    bench.loop.submit(Request("generate", "bad", {"base_model": asdict(tiny_base_model)}))
    bench.loop.submit(Request("load", "load", {"base_model": {"name": "x"}}))
    bench.run()
    assert {bench.end(name)["params"]["reason"] for name in ("empty", "bad", "load")} == {
        "bad_request"
    }


def test_load_makes_a_base_model_resident(
    bench: Bench, host: ModelHost, tiny_base_model: BaseModelRef
) -> None:
    bench.loop.submit(Request("load", "load", {"base_model": asdict(tiny_base_model)}))
    bench.run()
    assert bench.end("load")["type"] == "loaded"
    assert host.is_resident(tiny_base_model)


def test_out_of_memory_is_told_as_such(
    bench: Bench, host: ModelHost, resident: ResidentModel, tiny_base_model: BaseModelRef
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 B")

    handle = resident.decoder.embed_tokens.register_forward_pre_hook(refuse)
    bench.generate("reply", make_generation_spec(tiny_base_model))
    bench.run()
    handle.remove()
    assert bench.end("reply")["code"] == "out_of_memory"
    bench.generate("again", make_generation_spec(tiny_base_model))
    bench.run()
    assert bench.end("again")["type"] == "finished"


def test_a_full_disk_is_told_as_such(
    bench: Bench,
    host: ModelHost,
    resident: ResidentModel,
    tiny_base_model: BaseModelRef,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    bench.train("job", make_training_spec(tmp_path, tiny_base_model))
    bench.run_until("job", "plan")
    monkeypatch.setattr(os, "fsync", refuse)
    bench.run()
    assert bench.end("job")["code"] == "disk_full"
    assert not (tmp_path / "job").exists()


def test_idle_models_make_room_for_others(host: ModelHost, tmp_path: Path) -> None:
    refs = [make_tiny_base_model(tmp_path / str(seed), seed=seed) for seed in range(4)]
    used = host.acquire(refs[0])
    for ref in refs[1:]:
        host.release(host.acquire(ref))
    assert host.is_resident(refs[0])
    assert not host.is_resident(refs[1])
    assert used.ref == refs[0]


def test_no_memory_is_kept_by_finished_work(
    bench: Bench,
    host: ModelHost,
    resident: ResidentModel,
    tiny_base_model: BaseModelRef,
    tmp_path: Path,
) -> None:
    for index in range(3):
        bench.train(str(index), make_training_spec(tmp_path, tiny_base_model, make_instructions(2)))
        bench.run()
    assert resident.adapters.names == frozenset()
    assert list(resident.model.peft_config) == []
