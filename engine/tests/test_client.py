from __future__ import annotations

import os
import queue
import signal
import sys
import time
from pathlib import Path
from typing import IO, Any

import pytest

from engine.client import ALLOWED_ENVIRONMENT, EngineClient, engine_environment
from engine.errors import EngineDiedError
from engine.process import EngineProcess
from engine.protocol import BaseModelRef, Request
from engine.tests.factories import make_generation_spec, make_instructions, make_training_spec


@pytest.mark.alone
def test_a_job_a_chat_and_the_end_of_a_process(
    client: EngineClient, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    ready = client.start()
    assert ready["pid"] == client.pid
    assert (ready["device"], ready["dtype"]) == ("cpu", "float32")
    assert [event["type"] for event in client.load(tiny_base_model)] == ["loaded"]

    spec = make_training_spec(tmp_path, tiny_base_model)
    events = list(client.submit_training(spec, "job"))
    assert events[-1]["type"] == "finished"
    adapter = {"adapter_path": spec.output_dir, "adapter_digest": events[-1]["adapter_digest"]}
    reply = list(
        client.submit_generation(make_generation_spec(tiny_base_model, **adapter), "reply")
    )
    assert reply[-1]["type"] == "finished"

    endless = make_training_spec(
        tmp_path, tiny_base_model, name="endless", num_epochs=100, batch_size=1
    )
    work = client.submit_training(endless, "endless")
    assert any(event["type"] == "step" for event in work)
    beside = list(client.submit_generation(make_generation_spec(tiny_base_model), "beside"))
    assert beside[-1]["type"] == "finished"
    asked = time.monotonic()
    work.cancel()
    assert list(work)[-1]["type"] == "cancelled"
    assert time.monotonic() - asked < 2
    assert work.is_done
    assert work.next(timeout=0) is None

    asked = time.monotonic()
    client.close()
    assert time.monotonic() - asked < 5
    assert not client.is_alive
    with pytest.raises(EngineDiedError):
        client.submit_training(spec, "late")


def test_a_killed_engine_fails_its_work_and_the_next_job_runs(
    client: EngineClient, tiny_base_model: BaseModelRef, tmp_path: Path
) -> None:
    works = [
        client.submit_training(
            make_training_spec(
                tmp_path, tiny_base_model, make_instructions(count), name=name, num_epochs=100,
                batch_size=1,
            ),
            name,
        )
        for name, count in (("job", 200), ("waiting", 400))
    ]  # fmt: skip
    assert any(event["type"] == "step" for event in works[0])
    killed = client.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    for work in works:
        ending = list(work)[-1]
        assert (ending["type"], ending["code"]) == ("failed", "engine_died")
        assert ending["params"] == {"exit_code": -signal.SIGKILL}
    again = make_training_spec(tmp_path, tiny_base_model)
    assert list(client.submit_training(again, "job"))[-1]["type"] == "finished"
    assert client.pid != killed
    assert [path.name for path in tmp_path.glob("*.partial")] == []


def test_an_engine_that_the_kernel_took_for_lack_of_memory_says_so(
    client: EngineClient,
    tiny_base_model: BaseModelRef,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kernel's counter is the edge that is faked; the kill is real."""
    spec = make_training_spec(tmp_path, tiny_base_model, make_instructions(200), num_epochs=100)
    work = client.submit_training(spec, "job")
    assert any(event["type"] == "step" for event in work)
    monkeypatch.setattr("engine.process.memory_kill_count", lambda: 1_000_000)
    pid = client.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert list(work)[-1]["code"] == "out_of_memory"


class Told:
    """Takes the events of one piece of work."""

    def __init__(self) -> None:
        self.events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def put(self, event: dict[str, Any]) -> None:
        self.events.put(event)


def start_process(tmp_path: Path) -> tuple[EngineProcess, IO[bytes]]:
    process = EngineProcess(
        [sys.executable, "-P", "-m", "engine.server"],
        engine_environment(os.environ | {"OMP_NUM_THREADS": "1"}),
        tmp_path / "engine.log",
    )
    assert process._popen is not None
    assert process._popen.stdin is not None
    return process, process._popen.stdin


def test_bad_lines_are_answered_and_harm_nothing(tmp_path: Path) -> None:
    process, stdin = start_process(tmp_path)
    told = Told()
    process._receivers["odd"] = told
    for line in (b"\xff\xfe", b"[]", b"{", b"1" * 5000, b"[" * 100_000, b"x" * (17 << 20)):
        stdin.write(line + b"\n")
    stdin.write(b'{"type": "fly", "work_id": "odd"}\n')
    stdin.flush()
    assert told.events.get(timeout=60)["params"] == {"reason": "unreadable"}
    assert process.is_alive
    process.close(5)
    assert process.exit_code == 0


def test_the_end_of_stdin_ends_the_process(tmp_path: Path) -> None:
    process, stdin = start_process(tmp_path)
    stdin.close()
    assert process.wait_ended(30)
    assert process.exit_code == 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_process_is_bound_shielded_and_clean(tmp_path: Path) -> None:
    process, _ = start_process(tmp_path)
    assert process.wait_ready(60)
    proc = Path("/proc") / str(process.pid)
    items = (proc / "environ").read_bytes().split(b"\0")
    names = {item.partition(b"=")[0].decode() for item in items if item}
    assert "PYTHONPATH" in names
    assert not [name for name in names if "SECRET" in name or "DJANGO" in name]
    assert (proc / "oom_score_adj").read_text().strip() == "800"
    os.kill(process.pid, signal.SIGINT)
    assert process.is_alive
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait_ended(30)
    assert process.exit_code == 0


def test_the_environment_is_an_allow_list() -> None:
    source = {"SECRET_KEY": "s", "DATABASE_URL": "d", "PATH": "/bin", "LLMLORA_DEVICE": "cpu"}
    environment = engine_environment(source)
    assert environment["PATH"] == "/bin"
    assert environment["LLMLORA_DEVICE"] == "cpu"
    assert environment["HF_HUB_OFFLINE"] == "1"
    assert not {"SECRET_KEY", "DATABASE_URL"} & set(environment)
    assert "SECRET_KEY" not in ALLOWED_ENVIRONMENT


def test_an_engine_that_can_not_start_is_told(tmp_path: Path) -> None:
    client = EngineClient(tmp_path / "engine.log", {"LLMLORA_DEVICE": "abacus"})
    with pytest.raises(EngineDiedError):
        client.start(timeout=60)
    client.close()
    assert Request("shutdown").work_id == ""
