from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.catalog import local_spec
from engine.models.loading import ModelHost
from engine.tests.factories import make_tiny_base_model


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("llama", {}),
        ("qwen3", {"head_dim": 8}),
        ("gemma2", {"head_dim": 8}),
        ("gemma3_text", {"head_dim": 2, "num_key_value_heads": 1}),
    ],
)
def test_a_configuration_tells_the_shape_that_the_model_has(
    host: ModelHost, tmp_path: Path, kind: str, settings: dict[str, Any]
) -> None:
    base = make_tiny_base_model(tmp_path / "base", kind=kind, **settings)
    spec = local_spec("base", json.loads((tmp_path / "base" / "config.json").read_text()))
    resident = host.acquire(base)
    assert spec.module_shapes == resident.module_shapes
    assert spec.layer_count == resident.layer_count
    assert spec.context_length == resident.context_length
    counted = sum(
        parameter.numel()
        for name, parameter in resident.model.named_parameters()
        if not name.endswith(("q_norm.weight", "k_norm.weight"))
    )
    assert spec.parameters == counted
