"""A job that is interrupted at any step goes on to the very same adapter, bit for bit."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.client import EngineClient
from engine.errors import CancelledError, SuspendedError
from engine.models.loading import ModelHost
from engine.protocol import BaseModelRef, TrainingSpec
from engine.signals import Signals
from engine.tests.factories import make_instructions, make_training_spec
from engine.training import checkpoints
from engine.training.run import TrainingRun

Event = dict[str, Any]

KINDS = {
    "plain": {},
    "dropout": {"lora": {"dropout": 0.3}},
    "dora": {"lora": {"variant": "dora"}},
    "adafactor": {"optimizer": "adafactor"},
    "held out": {"eval_fraction": 0.3, "early_stopping_patience": 2, "logging_steps": 2},
    "recomputed": {"gradient_checkpointing": "on", "lora": {"dropout": 0.2}},
}


def make_spec(folder: Path, base: BaseModelRef, name: str, **changes: Any) -> TrainingSpec:
    return make_training_spec(
        folder, base, make_instructions(7), name=name, num_epochs=3, batch_size=2,
        sample_prompts=("say 0",), **changes,
    )  # fmt: skip


def interrupted(spec: TrainingSpec, host: ModelHost, after_events: int) -> list[Event]:
    """The job's events up to some point, where it is dropped as a killed process drops it."""
    run = TrainingRun("job", spec, host)
    events: list[Event] = []
    while not run.is_finished and len(events) < after_events:
        events += run.advance()
    if not run.is_finished:
        run.advance()
        run.close()
    return events


def lasting(events: list[Event]) -> list[tuple[Any, ...]]:
    """What a job told of its learning, without times."""
    return [
        (event["type"], event["step"], event.get("loss", event.get("eval_loss", event.get("text"))))
        for event in events
        if event["type"] in ("step", "evaluation", "sample")
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_dropped_at_any_step_ends_with_the_same_bits(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path, kind: str
) -> None:
    whole = list(TrainingRun("job", make_spec(tmp_path, tiny_base_model, "a", **KINDS[kind]), host))
    for after_events in range(4, len(whole), 7):
        name = f"b{after_events}"
        spec = make_spec(tmp_path, tiny_base_model, name, save_steps=1, **KINDS[kind])
        before = interrupted(spec, host, after_events)
        after = list(TrainingRun("job", spec, host))
        assert after[-1]["adapter_digest"] == whole[-1]["adapter_digest"]
        assert lasting(after) == lasting(whole)
        if before[-1]["type"] == "finished":
            continue
        (plan,) = [event for event in after if event["type"] == "plan"]
        told = [event["step"] for event in before if event["type"] == "step"]
        assert plan["resumed_step"] >= max(told, default=0) - 2


@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cuts=st.lists(st.integers(1, 12), min_size=1, max_size=4), save_steps=st.integers(1, 5))
def test_many_interruptions_change_no_bit(
    host: ModelHost,
    tiny_base_model: BaseModelRef,
    tmp_path_factory: pytest.TempPathFactory,
    cuts: list[int],
    save_steps: int,
) -> None:
    folder = tmp_path_factory.mktemp("cuts")
    spec = make_spec(folder, tiny_base_model, "job", lora={"dropout": 0.1}, save_steps=save_steps)
    whole = list(TrainingRun("job", replace(spec, output_dir=str(folder / "whole")), host))
    for cut in cuts:
        interrupted(spec, host, cut)
    assert list(TrainingRun("job", spec, host))[-1]["adapter_digest"] == whole[-1]["adapter_digest"]


def test_a_killed_process_and_its_successor_make_the_same_adapter(
    tiny_base_model: BaseModelRef, client: EngineClient, tmp_path: Path
) -> None:
    records = make_instructions(40)
    spec = make_training_spec(
        tmp_path, tiny_base_model, records, batch_size=1, num_epochs=4, save_steps=7,
        lora={"dropout": 0.2},
    )  # fmt: skip
    whole = replace(spec, output_dir=str(tmp_path / "whole"))
    first = client.submit_training(spec, "first")
    for event in first:
        if event["type"] == "step" and event["step"] >= 40:
            assert client.pid is not None
            os.kill(client.pid, signal.SIGKILL)
            break
    assert list(first)[-1]["code"] == "engine_died"
    *_, second = client.submit_training(spec, "second")
    *_, undisturbed = client.submit_training(whole, "whole")
    assert second["adapter_digest"] == undisturbed["adapter_digest"]


def test_seed_zero_is_a_seed_and_seeds_repeat(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    digests = []
    for index, seed in enumerate((0, 0, 1)):
        spec = make_spec(tmp_path, tiny_base_model, str(index), seed=seed, lora={"dropout": 0.1})
        digests.append(list(TrainingRun("job", spec, host))[-1]["adapter_digest"])
    assert digests[0] == digests[1] != digests[2]


def test_the_last_two_are_kept_and_load_as_adapters(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    spec = make_spec(tmp_path, tiny_base_model, "job", save_steps=2)
    run = TrainingRun("job", spec, host)
    while not any(path.name == "checkpoint-8" for path in run.checkpoints.saved()):
        run.advance()
    names = [path.name for path in run.checkpoints.saved()]
    assert names == ["checkpoint-6", "checkpoint-8"]
    resident = host.acquire(tiny_base_model)
    assert resident.adapter_cache.acquire(str(run.checkpoints.saved()[0]), "")
    list(run)
    assert run.checkpoints.saved() == []


@pytest.mark.parametrize("damage", ["cut", "flip", "missing", "no manifest", "not json"])
def test_a_damaged_checkpoint_is_passed_over(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path, damage: str
) -> None:
    spec = make_spec(tmp_path, tiny_base_model, "job", save_steps=2)
    run = TrainingRun("job", spec, host)
    while len(run.checkpoints.saved()) < 2:
        run.advance()
    run.close()
    older, newer = run.checkpoints.saved()
    file = newer / (
        "checkpoint.json" if "json" in damage or "manifest" in damage else "optimizer.safetensors"
    )
    data = bytearray(file.read_bytes())
    if damage in ("missing", "no manifest"):
        file.unlink()
    elif damage == "not json":
        file.write_bytes(b"{")
    else:
        data[len(data) // 2] ^= 1
        file.write_bytes(bytes(data[: len(data) // 2] if damage == "cut" else data))
    found = run.checkpoints.newest()
    assert found is not None
    assert f"checkpoint-{found.step}" == older.name


def test_a_checkpoint_of_another_job_is_not_taken(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    spec = replace(
        make_spec(tmp_path, tiny_base_model, "job", save_steps=1),
        checkpoint_dir=str(tmp_path / "kept"),
    )
    interrupted(spec, host, 9)
    assert checkpoints.CheckpointFolder(spec).newest() is not None
    for change in (
        {"training": replace(spec.training, learning_rate=1e-4)},
        {"dataset_digest": hashlib.sha256(b"other").hexdigest()},
        {"base_model": replace(spec.base_model, digest="0" * 64)},
    ):
        other = replace(spec, **change)  # type: ignore[arg-type]
        assert checkpoints.CheckpointFolder(other).newest() is None
    moved = replace(spec, output_dir=str(tmp_path / "elsewhere"))
    assert checkpoints.CheckpointFolder(moved).newest() is not None


def test_suspending_loses_no_step_and_cancelling_leaves_the_checkpoint(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    spec = make_spec(tmp_path, tiny_base_model, "job")
    signals = Signals()
    run = TrainingRun("job", spec, host, signals)
    events: list[Event] = []
    while [event["step"] for event in events if event["type"] == "step"][-1:] != [3]:
        events += run.advance()
    signals.give("suspend")
    with pytest.raises(SuspendedError):
        list(run)
    again_signals = Signals()
    again = TrainingRun("job", spec, host, again_signals)
    told: list[Event] = []
    while not told or told[-1]["type"] != "plan":
        told += again.advance()
    assert told[-1]["resumed_step"] == 3
    again_signals.give("cancel")
    with pytest.raises(CancelledError):
        again.advance()
    kept = checkpoints.CheckpointFolder(spec).newest()
    assert kept is not None
    assert kept.step == 3


def test_a_checkpoint_without_space_costs_only_itself(
    host: ModelHost,
    tiny_base_model: BaseModelRef,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The edge that fails is the disk: a write of the second checkpoint's optimizer finds no space."""
    spec = make_spec(tmp_path, tiny_base_model, "job", save_steps=2)
    write, count = checkpoints.write_bytes, 0

    def write_until_full(path: Path, data: bytes) -> None:
        nonlocal count
        count += path.name == "optimizer.safetensors"
        if count == 2 and path.name == "optimizer.safetensors":
            raise OSError(errno.ENOSPC, "no space left")
        write(path, data)

    monkeypatch.setattr(checkpoints, "write_bytes", write_until_full)
    events = list(TrainingRun("job", spec, host))
    told = [(event["step"], event["failed"]) for event in events if event["type"] == "checkpoint"]
    assert told[:3] == [(2, False), (4, True), (6, False)]
    assert events[-1]["type"] == "finished"


def test_a_job_that_had_not_begun_is_suspended_at_once(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    signals = Signals()
    signals.give("suspend")
    run = TrainingRun("job", make_spec(tmp_path, tiny_base_model, "job"), host, signals)
    with pytest.raises(SuspendedError):
        run.advance()
    assert not (tmp_path / "job.checkpoints").exists()


def test_a_minute_without_a_checkpoint_makes_one(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.training import attempt

    monkeypatch.setattr(attempt, "CHECKPOINT_SECONDS", 0.0)
    run = TrainingRun("job", make_spec(tmp_path, tiny_base_model, "job", save_steps=1000), host)
    for _ in run:
        if run.checkpoints.saved():
            return
    pytest.fail("no checkpoint")
