"""Folders of base models that can not be trained are not offered, and the page says why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from engine.catalog import DEFAULT_BASE_MODEL
from llmlora_site.home import Home
from modelhub.local_folders import local_folders
from modelhub.models import BaseModel
from modelhub.services import sync_base_models

LLAMA = {
    "model_type": "llama", "hidden_size": 8, "intermediate_size": 16, "num_attention_heads": 2,
    "num_hidden_layers": 1, "vocab_size": 64,
}  # fmt: skip


def put(place: Path, name: str, config: Any = LLAMA, *, weights: bytes | None = b"weights") -> Path:
    folder = place / name
    folder.mkdir(parents=True)
    text = config if isinstance(config, str) else json.dumps(config)
    (folder / "config.json").write_text(text, encoding="utf-8")
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    if weights is not None:
        (folder / "model.safetensors").write_bytes(weights)
    return folder


@pytest.mark.parametrize(
    ("name", "config", "weights", "reason"),
    [
        ("other", {"model_type": "mamba"}, b"", "models of the type mamba can not be trained here"),
        ("code", LLAMA | {"auto_map": {}}, b"", "brings code of its own"),
        ("parts", LLAMA, None, "its folder lacks model.safetensors"),
        ("cut", '{"model_type"', b"", "is not that of a language model"),
        ("list", [], b"", "is not that of a language model"),
        ("shapeless", {"model_type": "llama"}, b"", "is not that of a language model"),
        ("headless", LLAMA | {"num_attention_heads": 0}, b"", "is not that of a language model"),
        (DEFAULT_BASE_MODEL, LLAMA, b"", "belongs to another model here"),
    ],
)
def test_each_reason_is_told(
    tmp_path: Path, name: str, config: Any, weights: bytes | None, reason: str
) -> None:
    put(tmp_path, name, config, weights=weights)
    (folder,) = local_folders(tmp_path)
    assert folder.spec is None
    assert f"“{name}” is not offered, because" in folder.refusal
    assert reason in folder.refusal


def test_a_folder_that_can_be_trained_is_offered(tmp_path: Path) -> None:
    put(tmp_path, "small")
    (tmp_path / ".cache").mkdir()
    (tmp_path / "README").touch()
    (folder,) = local_folders(tmp_path)
    assert folder.refusal == ""
    assert folder.spec is not None
    assert folder.spec.layer_count == 1


@pytest.mark.django_db
def test_only_instructors_read_why_a_model_is_not_offered(
    tmp_path: Path,
    settings: Any,
    student: User,
    instructor: User,
    client_of: Callable[[User], Client],
) -> None:
    settings.LLMLORA_HOME = Home(tmp_path)
    put(settings.LLMLORA_HOME.local_models, "small")
    put(settings.LLMLORA_HOME.local_models, "other", {"model_type": "mamba"})
    BaseModel.objects.create(name="other", source=BaseModel.Source.LOCAL)
    sync_base_models()
    enabled = BaseModel.objects.filter(source=BaseModel.Source.LOCAL, is_enabled=True)
    assert [model.name for model in enabled] == ["small"]
    address = reverse("modelhub:model_list")
    assert "models of the type mamba" in client_of(instructor).get(address).content.decode()
    page = client_of(student).get(address).content.decode()
    assert "small" in page
    assert "mamba" not in page
