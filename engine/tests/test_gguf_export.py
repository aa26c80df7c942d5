"""The base model and adapters as GGUF files: names, row order, precision, and the same predictions in llama.cpp."""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from engine.catalog import SMOLLM2
from engine.config import LoraHyperparameters
from engine.errors import AdapterError, UnsupportedModelError
from engine.export.gguf_adapter import write_adapter_gguf
from engine.export.gguf_base import WEIGHT_FORMATS, write_base_gguf
from engine.export.gguf_layout import GgufLayout, halves_to_interleaved, read_model_config
from engine.export.peft_adapter import write_weights
from engine.models.bundled import bundled_weights
from engine.models.gguf_llama import LlamaGguf, interleaved_to_halves
from engine.protocol import BaseModelRef
from engine.tests.factories import make_tiny_base_model, prepared_bundled_model

MODULES = (
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
)  # fmt: skip
HEADS = {"q_proj": 4, "k_proj": 2}
"""Of the tiny model's projections whose rows are in another order there."""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> BaseModelRef:
    return make_tiny_base_model(tmp_path_factory.mktemp("model") / "base")


@pytest.fixture(scope="module")
def described_by(tiny: BaseModelRef, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GGUF file of the tiny model as another program would have made it, in half precision."""
    path = tmp_path_factory.mktemp("gguf") / "other.gguf"
    config = read_model_config(Path(tiny.path))
    layout = GgufLayout.of(config)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_array("tokenizer.ggml.tokens", ["a", "b", "c"])
    for key, weights in load_file(Path(tiny.path) / "model.safetensors").items():
        writer.add_tensor(layout.name(key), weights.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_adapter(folder: Path, base: Path, lora: LoraHyperparameters, seed: int = 0) -> Path:
    """A random adapter as PEFT's folder, its ranks by the pattern."""
    generator = torch.Generator().manual_seed(seed)
    config = read_model_config(base)
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    keys = config["num_key_value_heads"] * config["head_dim"]
    queries = config["num_attention_heads"] * config["head_dim"]
    sizes = [(hidden, queries), (hidden, keys), (hidden, keys), (queries, hidden)]
    sizes += [(hidden, inner), (hidden, inner), (inner, hidden)]
    state = {}
    for layer in range(config["num_hidden_layers"]):
        for module, (inputs, outputs) in zip(MODULES, sizes, strict=True):
            rank = lora.rank_of(module.rpartition(".")[2])
            key = f"base_model.model.model.layers.{layer}.{module}"
            a = torch.randn(rank, inputs, generator=generator) / inputs**0.5
            b = torch.randn(outputs, rank, generator=generator) * 0.05
            state |= {f"{key}.lora_A.weight": a, f"{key}.lora_B.weight": b}
    folder.mkdir(parents=True, exist_ok=True)
    write_weights(folder, state, lora, "base")
    return folder


def tensors_of(path: Path) -> dict[str, np.ndarray]:
    return {tensor.name: np.array(tensor.data) for tensor in gguf.GGUFReader(path).tensors}


def field_of(path: Path, name: str) -> Any:
    field = gguf.GGUFReader(path).get_field(name)
    return None if field is None else field.contents()


def test_row_order_goes_there_and_back() -> None:
    weights = np.arange(24 * 3).reshape(24, 3)
    turned = halves_to_interleaved(weights, 3)
    # Head of 8 rows: row 0 and row 4 turn together, so they stand side by side.
    assert turned[:4, 0].tolist() == [0, 12, 3, 15]
    assert np.array_equal(interleaved_to_halves(turned, 3), weights)


@pytest.mark.parametrize(("format", "error"), [("F32", 0.0), ("F16", 1e-3)])
def test_base_model_reads_back(
    tiny: BaseModelRef, described_by: Path, tmp_path: Path, format: Any, error: float
) -> None:
    target = tmp_path / "base.gguf"
    write_base_gguf(Path(tiny.path), described_by, target, format)
    expected = load_file(Path(tiny.path) / "model.safetensors")
    found = dict(LlamaGguf(target).tensors())
    assert set(found) == set(expected)
    for key, weights in expected.items():
        assert np.abs(found[key] - weights).max() <= error * np.abs(weights).max(), key
    assert field_of(target, "tokenizer.ggml.tokens") == ["a", "b", "c"]
    assert field_of(target, "general.name") == "tiny"
    file_types = {"F32": gguf.LlamaFileType.ALL_F32, "F16": gguf.LlamaFileType.MOSTLY_F16}
    assert field_of(target, "general.file_type") == file_types[format]
    assert [path.name for path in tmp_path.iterdir()] == ["base.gguf"]


def test_base_model_of_other_weights_is_refused(described_by: Path, tmp_path: Path) -> None:
    other = make_tiny_base_model(tmp_path / "qwen", kind="qwen2")
    with pytest.raises(UnsupportedModelError):
        write_base_gguf(Path(other.path), described_by, tmp_path / "base.gguf", "F32")
    assert not (tmp_path / "base.gguf").exists()


def test_unreadable_files_are_refused(tiny: BaseModelRef, tmp_path: Path) -> None:
    junk = tmp_path / "junk.gguf"
    junk.write_bytes(b"not a model")
    with pytest.raises(UnsupportedModelError):
        write_base_gguf(Path(tiny.path), junk, tmp_path / "base.gguf", "F32")
    with pytest.raises(UnsupportedModelError):
        GgufLayout.of({"model_type": "mamba"})


@pytest.mark.parametrize(
    "lora",
    [
        {"r": 4, "alpha": 8},
        {"r": 4, "alpha": 8, "variant": "rslora"},
        {"r": 4, "alpha": 8, "rank_pattern": {"q_proj": 2}, "alpha_pattern": {"v_proj": 32}},
        {"r": 4, "alpha": 8, "variant": "rslora", "rank_pattern": {"down_proj": 8}},
    ],
)
def test_adapter_adds_what_peft_adds(tiny: BaseModelRef, tmp_path: Path, lora: Any) -> None:
    shape = LoraHyperparameters.from_mapping(lora)
    base = Path(tiny.path)
    folder = write_adapter(tmp_path / "adapter", base, shape)
    write_adapter_gguf(folder, base, tmp_path / "adapter.gguf")
    found = tensors_of(tmp_path / "adapter.gguf")
    alpha = field_of(tmp_path / "adapter.gguf", "adapter.lora.alpha")
    layout = GgufLayout.of(read_model_config(base))
    state = load_file(folder / "adapter_model.safetensors")
    for layer in range(2):
        for module in MODULES:
            leaf = module.rpartition(".")[2]
            key = f"base_model.model.model.layers.{layer}.{module}"
            rank, own_alpha = shape.rank_of(leaf), shape.alpha_pattern.get(leaf, shape.alpha)
            scaling = own_alpha / (math.sqrt(rank) if shape.variant == "rslora" else rank)
            a, b = state[f"{key}.lora_A.weight"], state[f"{key}.lora_B.weight"]
            name = layout.name(f"model.layers.{layer}.{module}")
            own = found[f"{name}.weight.lora_b"] @ found[f"{name}.weight.lora_a"] * alpha / rank
            expected = scaling * b @ a
            if leaf in HEADS:
                expected = halves_to_interleaved(expected, HEADS[leaf])
            assert np.allclose(own, expected, atol=1e-5), name
    assert field_of(tmp_path / "adapter.gguf", "general.type") == "adapter"
    assert field_of(tmp_path / "adapter.gguf", "adapter.type") == "lora"


def test_adapter_that_llama_cpp_can_not_apply_is_refused(
    tiny: BaseModelRef, tmp_path: Path
) -> None:
    dora = LoraHyperparameters.from_mapping({"r": 4, "alpha": 8, "variant": "dora"})
    folder = write_adapter(tmp_path / "adapter", Path(tiny.path), dora)
    with pytest.raises(AdapterError) as caught:
        write_adapter_gguf(folder, Path(tiny.path), tmp_path / "adapter.gguf")
    assert caught.value.params["reason"] == "unsupported"
    assert not (tmp_path / "adapter.gguf").exists()


LLAMA_PROBE = """
import json, os, sys, urllib.request
import xllamacpp

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
model, adapter, prompt = json.loads(sys.argv[1])
params = xllamacpp.CommonParams()
params.model.path = model
params.n_parallel, params.n_ctx, params.port = 1, 256, 0
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
params.warmup = False
# Keys and values in half precision would move the probabilities by hundredths.
params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
params.lora_init_without_apply = True
params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(adapter, 1.0)]
server = xllamacpp.Server(params)
body = {"prompt": prompt, "n_predict": 1, "n_probs": 20, "temperature": 0, "lora": [{"id": 0, "scale": 1.0}]}
request = urllib.request.Request(
    server.listening_address + "/completion", json.dumps(body).encode(), {"Content-Type": "application/json"}
)
with urllib.request.urlopen(request) as answer:
    told = json.load(answer)["completion_probabilities"][0]["top_logprobs"]
answers.write(json.dumps({item["id"]: item["logprob"] for item in told}))
answers.flush()
os._exit(0)
"""


def llama_log_probabilities(model: Path, adapter: Path, prompt: list[int]) -> dict[int, float]:
    """The likeliest next tokens by llama.cpp, in a process of its own: its threads never end."""
    arguments = json.dumps([str(model), str(adapter), prompt])
    done = subprocess.run(
        [sys.executable, "-c", LLAMA_PROBE, arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return {int(key): value for key, value in json.loads(done.stdout).items()}


@pytest.mark.bundled
@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None, reason="the wheel xllamacpp is not installed"
)
def test_llama_cpp_predicts_what_peft_predicts(tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = Path(prepared_bundled_model().path)
    lora = LoraHyperparameters(r=8, alpha=16, variant="rslora", rank_pattern={"q_proj": 4})
    folder = write_adapter(tmp_path / "adapter", base, lora)
    write_base_gguf(base, bundled_weights(SMOLLM2), tmp_path / "base.gguf", "F32")
    write_adapter_gguf(folder, base, tmp_path / "adapter.gguf")
    prompt = [1, 4093, 198, 2683, 359, 253, 1345, 28, 2, 198, 1, 520, 9531, 198]
    found = llama_log_probabilities(tmp_path / "base.gguf", tmp_path / "adapter.gguf", prompt)

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    with torch.no_grad():
        plain = model(torch.tensor([prompt])).logits[0, -1].log_softmax(-1)
        adapted = PeftModel.from_pretrained(model, str(folder))
        expected = adapted(torch.tensor([prompt])).logits[0, -1].log_softmax(-1)
    assert len(found) == 20
    # The adapter matters, or the rest would show nothing.
    assert max(abs(value - float(plain[token])) for token, value in found.items()) > 0.1
    assert max(abs(value - float(expected[token])) for token, value in found.items()) < 0.01


@pytest.mark.bundled
@pytest.mark.slow
def test_base_model_in_eight_bits_is_close(tmp_path: Path) -> None:
    base = Path(prepared_bundled_model().path)
    write_base_gguf(base, bundled_weights(SMOLLM2), tmp_path / "base.gguf", "Q8_0")
    assert (tmp_path / "base.gguf").stat().st_size < 150e6
    expected = load_file(base / "model.safetensors")
    for key, weights in LlamaGguf(tmp_path / "base.gguf").tensors():
        assert np.abs(weights - expected[key]).max() <= 0.005 * np.abs(expected[key]).max(), key


def test_formats_are_those_that_llama_cpp_names() -> None:
    assert all(hasattr(gguf.GGMLQuantizationType, name) for name in WEIGHT_FORMATS)
