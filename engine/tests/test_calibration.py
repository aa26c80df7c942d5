"""The measurement gives usable figures, leaves nothing behind, and gives way to everything else."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from engine.errors import CancelledError
from engine.loop import EngineLoop
from engine.models.loading import ModelHost
from engine.protocol import BaseModelRef, Request, generation_body, training_body
from engine.tests.factories import make_generation_spec, make_training_spec
from engine.training import calibration
from engine.training.calibration import CalibrationRun


def measured(host: ModelHost, ref: BaseModelRef) -> dict[str, Any]:
    [event] = CalibrationRun("measure", ref, host)
    assert (event["type"], event["work_id"]) == ("measured", "measure")
    found: dict[str, Any] = json.loads(json.dumps(event["calibration"]))
    return found


def test_everything_that_a_reckoning_needs_is_measured(
    host: ModelHost, tiny_base_model: BaseModelRef
) -> None:
    found = measured(host, tiny_base_model)
    kinds = [(cell["width"], cell["count"], cell["rank"]) for cell in found["steps"]]
    short, many = (32, 1, 8), (32, 8, 8)
    assert kinds == [short, many, short, many, (256, 1, 8), (32, 4, 8), (32, 4, 64)]
    assert [cell["recompute"] for cell in found["steps"]] == [False] * 5 + [True, False]
    assert all(cell["seconds"] > 0 and cell["update_seconds"] > 0 for cell in found["steps"])
    assert found["steps"][-1]["parameters"] == 8 * found["steps"][0]["parameters"]
    assert found["evaluation"]["seconds"] > 0
    assert found["head"]["seconds"] > 0
    assert found["answer"]["prefill_seconds"] > 0
    assert found["preparation"]["tokens"] > 0
    assert found["load_seconds"] > 0
    assert found["total_bytes"] > found["available_bytes"]
    assert found["resident_bytes"] > 0
    assert found["step_bytes"] >= 0
    assert found["reckoned_bytes"] > 0
    assert 0 <= found["other_load"] <= 1
    assert found["shape"]["layer_count"] == 2


def test_nothing_is_left_behind(host: ModelHost, tiny_base_model: BaseModelRef) -> None:
    resident = host.acquire(tiny_base_model)
    assert measured(host, tiny_base_model)["load_seconds"] is None
    assert not resident.adapters.names


def test_on_a_slow_machine_the_rest_is_left_out(
    host: ModelHost, tiny_base_model: BaseModelRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "ENOUGH_SECONDS", 0)
    found = measured(host, tiny_base_model)
    assert len(found["steps"]) == calibration.NEEDED_CELLS
    assert found["evaluation"]["seconds"] > 0


def test_it_ends_as_soon_as_somebody_waits(host: ModelHost, tiny_base_model: BaseModelRef) -> None:
    is_alone = True
    run = CalibrationRun("measure", tiny_base_model, host, is_alone=lambda: is_alone)
    for _part in range(10):
        assert run.advance() == []
    is_alone = False
    with pytest.raises(CancelledError):
        run.advance()
    assert run.is_finished
    assert not host.acquire(tiny_base_model).adapters.names


@pytest.mark.parametrize("kind", ["train", "generate"])
def test_the_loop_gives_way_to_other_work(
    host: ModelHost, tiny_base_model: BaseModelRef, tmp_path: Path, kind: str
) -> None:
    events: list[dict[str, Any]] = []
    loop = EngineLoop(host, events.append)
    loop.submit(Request("measure", "measure", {"base_model": asdict(tiny_base_model)}))
    loop.run_once()
    body = (
        training_body(make_training_spec(tmp_path, tiny_base_model))
        if kind == "train"
        else generation_body(make_generation_spec(tiny_base_model))
    )
    loop.submit(Request(kind, "other", body))  # type: ignore[arg-type]
    while loop.open_work_count:
        loop.run_once()
    ends = {event["work_id"]: event["type"] for event in events}
    assert ends == {"measure": "cancelled", "other": "finished"}


def test_the_loop_tells_what_was_measured(host: ModelHost, tiny_base_model: BaseModelRef) -> None:
    events: list[dict[str, Any]] = []
    loop = EngineLoop(host, events.append)
    loop.submit(Request("measure", "measure", {"base_model": asdict(tiny_base_model)}))
    while loop.open_work_count:
        loop.run_once()
    assert [event["type"] for event in events] == ["measured"]
