from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.errors import DatasetError
from engine.protocol import BaseModelRef
from engine.session import Session
from engine.tests.factories import make_instructions


@pytest.fixture
def session(tiny_base_model: BaseModelRef) -> Session:
    return Session(tiny_base_model.path, device="cpu")


def test_an_adapter_is_trained_and_asked(session: Session, tmp_path: Path) -> None:
    events = session.train(
        make_instructions(2), tmp_path / "adapter", lora={"r": 16, "alpha": 32},
        evaluate_on=make_instructions(1), ask=["say 0"], num_epochs=60, learning_rate=1e-2,
    )  # fmt: skip
    *_, finished = events
    assert finished["type"] == "finished"
    assert session.ask("say 1", adapter=tmp_path / "adapter", max_tokens=8) == "bbb"
    assert session.ask("say 1", max_tokens=8) != "bbb"


def test_a_file_of_records_is_taken_as_it_is(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps({"text": "hello"}) + "\n")
    *_, finished = session.train(path, tmp_path / "adapter", num_epochs=1)
    assert finished["adapter_step"] == 1


@pytest.mark.parametrize("records", [[], [{"colour": "red"}]])
def test_records_of_no_shape_are_refused(
    session: Session, tmp_path: Path, records: list[dict[str, str]]
) -> None:
    with pytest.raises(DatasetError):
        session.train(records, tmp_path / "adapter")
