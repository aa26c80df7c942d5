"""A checkpoint travels to another host through storage, whole or not at all."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.files.storage import default_storage

from training.execution.checkpoint_store import MANIFEST, fetch_newer, prefix_of, push_newest


@pytest.fixture(autouse=True)
def _on(settings: LazySettings) -> None:
    settings.CHECKPOINTS_IN_STORAGE = True


def make_checkpoint(folder: Path, step: int) -> None:
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    (checkpoint / "adapter_model.safetensors").write_bytes(bytes([step]))
    (checkpoint / MANIFEST).write_text("{}")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("checkpoint-*"))


def test_the_newest_travels_and_replaces_older_copies(tmp_path: Path) -> None:
    job_id, here, there = uuid.uuid4(), tmp_path / "here", tmp_path / "there"
    for step in (3, 12):
        make_checkpoint(here, step)
        push_newest(job_id, here)
    assert default_storage.listdir(prefix_of(job_id))[0] == ["checkpoint-12"]
    fetch_newer(job_id, there)
    assert names(there) == ["checkpoint-12"]
    assert (there / "checkpoint-12" / "adapter_model.safetensors").read_bytes() == bytes([12])


def test_a_newer_local_one_stays_the_newest(tmp_path: Path) -> None:
    job_id, here, there = uuid.uuid4(), tmp_path / "here", tmp_path / "there"
    make_checkpoint(here, 3)
    push_newest(job_id, here)
    make_checkpoint(there, 5)
    fetch_newer(job_id, there)
    assert names(there) == ["checkpoint-5"]


def test_a_copy_that_was_cut_short_is_not_fetched(tmp_path: Path) -> None:
    job_id, here, there = uuid.uuid4(), tmp_path / "here", tmp_path / "there"
    make_checkpoint(here, 3)
    push_newest(job_id, here)
    default_storage.delete(f"{prefix_of(job_id)}/checkpoint-3/{MANIFEST}")
    fetch_newer(job_id, there)
    assert names(there) == []
