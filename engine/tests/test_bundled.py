"""The real base model: what came out of the wheel, and one short job on it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors import safe_open
from transformers import AutoModelForCausalLM

from engine import session
from engine.catalog import SMOLLM2
from engine.inference.run import GenerationRun
from engine.models.bundled import bundled_weights
from engine.models.devices import choose_device
from engine.models.loading import ModelHost
from engine.protocol import BaseModelRef
from engine.tests.factories import (
    SHARED_MODEL_CACHE,
    make_generation_spec,
    make_training_spec,
    prepared_bundled_model,
)
from engine.training.run import TrainingRun

pytestmark = pytest.mark.bundled


@pytest.fixture(scope="module")
def base_model() -> BaseModelRef:
    return prepared_bundled_model()


@pytest.fixture(scope="module")
def source() -> dict[str, gguf.ReaderTensor]:
    return {tensor.name: tensor for tensor in gguf.GGUFReader(bundled_weights(SMOLLM2)).tensors}


@pytest.fixture(scope="module")
def model_host() -> ModelHost:
    return ModelHost(choose_device("cpu"))


@pytest.mark.parametrize(
    ("name", "gguf_name", "heads"),
    [
        ("model.embed_tokens", "token_embd", 0),
        ("model.layers.0.mlp.down_proj", "blk.0.ffn_down", 0),
        ("model.layers.29.self_attn.v_proj", "blk.29.attn_v", 0),
        ("model.layers.0.self_attn.q_proj", "blk.0.attn_q", 9),
        ("model.layers.17.self_attn.k_proj", "blk.17.attn_k", 3),
        ("model.norm", "output_norm", 0),
    ],
)
def test_weights_equal_the_wheel_s_in_the_right_order(
    base_model: BaseModelRef,
    source: dict[str, gguf.ReaderTensor],
    name: str,
    gguf_name: str,
    heads: int,
) -> None:
    tensor = source[f"{gguf_name}.weight"]
    wanted = gguf.dequantize(tensor.data, tensor.tensor_type)
    with safe_open(Path(base_model.path) / "model.safetensors", "np") as weights:
        found = weights.get_tensor(f"{name}.weight")
    if heads:
        # Row i of a head's first half is the file's row 2i of that head, row i of its second half 2i + 1.
        size = wanted.shape[0] // heads
        order = [
            head * size + 2 * (row % (size // 2)) + row // (size // 2)
            for head in range(heads)
            for row in range(size)
        ]
        wanted = wanted[order]
    assert found.dtype == np.float32
    assert np.array_equal(found, wanted)


def test_the_command_tells_the_prepared_model(base_model: BaseModelRef) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "engine.models.prepare", "--cache-dir", str(SHARED_MODEL_CACHE)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        check=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-2]["fraction"] == 1.0
    assert lines[-1] == {
        "type": "result",
        "name": base_model.name,
        "path": base_model.path,
        "digest": base_model.digest,
    }


def test_numbers_are_split_into_digits_and_text_comes_back(
    base_model: BaseModelRef, model_host: ModelHost
) -> None:
    tokenizer = model_host.acquire(base_model).tokenizer
    tokens = tokenizer.tokenize("In 2024: 12.5")
    assert [token.strip("Ġ") for token in tokens if any(c.isdigit() for c in token)] == list(
        "2024125"
    )
    for text in ("富士山は3776メートル。😀", "def f(x):\n    return x\n", "  two  spaces "):
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.pad_token_id not in model_host.acquire(base_model).chat_format.stop_ids


def test_the_model_speaks_sense(base_model: BaseModelRef, model_host: ModelHost) -> None:
    spec = make_generation_spec(base_model, "What is the capital of France?", max_tokens=20)
    events = list(GenerationRun("reply", spec, model_host))
    assert "Paris" in "".join(event.get("text", "") for event in events)
    assert events[-1]["finish_reason"] == "stop"


def test_the_five_lines_of_the_documentation_work(
    base_model: BaseModelRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "engine.md").read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(session, "DEFAULT_CACHE_DIR", SHARED_MODEL_CACHE)
    told: list[str] = []
    exec(code, {"print": lambda *values: told.extend(map(str, values))})
    assert told[-1] == "I am a small lantern."


def test_a_short_job_learns_and_plain_peft_agrees(
    base_model: BaseModelRef, model_host: ModelHost, tmp_path: Path
) -> None:
    records = [{"instruction": "Who are you?", "output": "I am a small lantern."}]
    spec = make_training_spec(
        tmp_path, base_model, records, lora={"r": 8, "alpha": 16}, num_epochs=4, learning_rate=3e-3
    )
    events = list(TrainingRun("job", spec, model_host))
    losses = [event["loss"] for event in events if event["type"] == "step"]
    assert losses[-1] < losses[0] / 2
    plan = next(event for event in events if event["type"] == "plan")
    assert (
        plan["trainable_parameters"] == 2_442_240
    )  # 30 * 8 * sum of inputs + outputs of the seven layers

    resident = model_host.acquire(base_model)
    resident.adapters.activate(resident.adapter_cache.acquire(spec.output_dir, ""))
    ids = torch.tensor([resident.tokenizer.encode("Who are you? I am")])
    with torch.no_grad():
        ours = resident.model(ids).logits
        base = AutoModelForCausalLM.from_pretrained(base_model.path, dtype=torch.float32)
        theirs = PeftModel.from_pretrained(base, spec.output_dir).eval()(ids).logits
    assert (ours - theirs).abs().max() < 1e-4
