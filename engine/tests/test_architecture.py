"""Which models are computed here, which go the library's way, and which are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import UnsupportedModelError
from engine.export.gguf_layout import GgufLayout
from engine.inference.rooms import ChatRooms
from engine.models.architecture import CAPPED_TYPES, SUPPORTED_TYPES
from engine.models.loading import ModelHost
from engine.tests.factories import make_tiny_base_model
from engine.training.footprint import score_elements
from engine.training.memory import shape_of


def test_a_window_does_not_shorten_the_context(host: ModelHost, tmp_path: Path) -> None:
    base = make_tiny_base_model(tmp_path / "base", kind="gemma2", sliding_window=9)
    assert host.acquire(base).context_length == 512


@pytest.mark.parametrize("kind", ["llama", "gemma3_text"])
def test_angles_that_depend_on_the_length_go_the_library_s_way(
    host: ModelHost, tmp_path: Path, kind: str
) -> None:
    moving = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 100.0}
    still = {"rope_type": "default", "rope_theta": 100.0}
    by_layer = {"full_attention": moving, "sliding_attention": still}
    rotation = by_layer if kind.startswith("gemma3") else moving
    base = make_tiny_base_model(tmp_path / "base", kind=kind, rope_parameters=rotation)
    assert not ChatRooms(host).prepare(base)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("gemma2", {"hidden_activation": "relu"}),
        ("llama", {"hidden_act": "relu"}),
        ("gemma3_text", {"use_bidirectional_attention": True}),
        ("qwen3", {"layer_types": ["full_attention", "chunked_attention"]}),
        ("gemma2", {"model_type": "gemma3"}),
    ],
)
def test_what_no_block_here_computes_is_refused(
    host: ModelHost, tmp_path: Path, kind: str, change: dict[str, Any]
) -> None:
    base = make_tiny_base_model(tmp_path / "base", kind=kind)
    config = Path(base.path) / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | change))
    with pytest.raises(UnsupportedModelError) as failure:
        host.acquire(base)
    assert failure.value.params["name"] == base.name


def test_a_capped_model_is_reckoned_to_keep_its_probabilities(
    host: ModelHost, tmp_path: Path
) -> None:
    shapes = [
        shape_of(
            host.acquire(make_tiny_base_model(tmp_path / kind, kind=kind, context_length=2048))
        )
        for kind in ("llama", "gemma2")
    ]
    assert [shape.tiled_keys for shape in shapes] == [512, 2048]
    # Beside the probabilities it keeps the bent scores.
    assert [shape.kept_scores for shape in shapes] == [0.5, 1.0]
    usual, capped = (score_elements(shape, 512) for shape in shapes)
    assert capped == 2 * usual > 0
    assert score_elements(shapes[0], 513) == 0
    assert score_elements(shapes[1], 2048) == 4 * capped


def test_gemma_has_no_gguf_layout() -> None:
    assert {"gemma2", "gemma3_text"} <= set(SUPPORTED_TYPES)
    assert {"gemma2"} == CAPPED_TYPES
    for kind in ("gemma2", "gemma3_text"):
        with pytest.raises(UnsupportedModelError) as failure:
            GgufLayout.of({"model_type": kind})
        assert failure.value.params == {"model_type": kind}
