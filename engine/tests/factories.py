"""Small real parts for tests of the engine and of the apps that drive it: a tiny Llama, datasets, specs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.config import LoraHyperparameters, SamplingParams, TrainingHyperparameters
from engine.data.records import DatasetType
from engine.protocol import BaseModelRef, ChatTurn, GenerationSpec, TrainingSpec

SHARED_MODEL_CACHE = Path(__file__).resolve().parents[2] / ".make" / "models"
SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def make_tiny_base_model(
    path: Path | str,
    *,
    kind: str = "llama",
    seed: int = 0,
    context_length: int = 512,
    name: str = "tiny-llama",
    **settings: Any,
) -> BaseModelRef:
    """Write a two-layer model of width 16 with a byte-level tokenizer of 259 tokens; loads in milliseconds.

    Args:
        path: folder to write to, created when missing.
        kind: transformers' model type; the biases of those that have some are not zero.
        seed: of its random weights.
        context_length: most tokens of one conversation.
        settings: of transformers' configuration, in place of those chosen here.
    """
    import torch
    from safetensors.torch import save_file
    from transformers import AutoConfig, AutoModelForCausalLM

    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    _write_byte_tokenizer(folder, context_length)
    shape = {
        "vocab_size": 256 + len(SPECIAL_TOKENS),
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": context_length,
        "tie_word_embeddings": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "initializer_range": 0.3,
        "head_dim": 4,
    }
    config = AutoConfig.for_model(kind, **(shape | settings))
    # Gemma's norms begin at zero, all of them.
    noisy = ("norm.weight",) if kind.startswith("gemma") else ("q_norm.weight", "k_norm.weight")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config)
        for parameter_name, parameter in model.named_parameters():
            if parameter_name.endswith(("bias", *noisy)):
                parameter.data.add_(torch.randn(parameter.shape), alpha=0.2)
        # Normalised states of width 16 reach only small logits over a small head: it could not be sure of anything.
        model.model.embed_tokens.weight.data.mul_(4)
    config.architectures = [type(model).__name__]
    config.save_pretrained(folder)
    weights = {
        key: value.clone() for key, value in model.state_dict().items() if key != "lm_head.weight"
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    return BaseModelRef(name=name, path=str(folder), digest=digest)


def prepared_bundled_model(cache_dir: Path | str | None = None) -> BaseModelRef:
    """The bundled base model, prepared when it is not; by default in a cache that all test sessions share."""
    from engine.catalog import SMOLLM2
    from engine.models.bundled import prepare_bundled

    return prepare_bundled(cache_dir or SHARED_MODEL_CACHE, SMOLLM2)


def write_records(path: Path, records: Sequence[dict[str, Any]]) -> tuple[str, str]:
    """Write records as JSONL; returns the path and the sha256 of the file."""
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    path.write_text(text, encoding="utf-8")
    return str(path), hashlib.sha256(text.encode()).hexdigest()


def make_instructions(count: int = 4) -> list[dict[str, str]]:
    """Short question-and-answer records, each of another text."""
    return [
        {"instruction": f"say {index}", "output": chr(97 + index % 26) * 3}
        for index in range(count)
    ]


def make_training_spec(
    folder: Path,
    base_model: BaseModelRef,
    records: Sequence[dict[str, Any]] | None = None,
    *,
    name: str = "job",
    dataset_type: DatasetType = "instruction",
    lora: dict[str, Any] | None = None,
    eval_records: Sequence[dict[str, Any]] | None = None,
    sample_prompts: Sequence[str] = (),
    **training: Any,
) -> TrainingSpec:
    """A training job on `records` whose dataset and output lie in `folder`."""
    measured = ("", "")
    if eval_records is not None:
        measured = write_records(folder / f"{name}-eval.jsonl", eval_records)
    path, digest = write_records(
        folder / f"{name}.jsonl", make_instructions() if records is None else records
    )
    settings = {"num_epochs": 2, "batch_size": 2, "max_length": 64} | training
    return TrainingSpec(
        base_model=base_model,
        dataset_path=path,
        dataset_digest=digest,
        dataset_type=dataset_type,
        output_dir=str(folder / name),
        lora=LoraHyperparameters.from_mapping({"r": 4, "alpha": 8} | (lora or {})),
        training=TrainingHyperparameters.from_mapping(settings),
        eval_dataset_path=measured[0],
        eval_dataset_digest=measured[1],
        sample_prompts=tuple(sample_prompts),
    )


def make_generation_spec(
    base_model: BaseModelRef,
    text: str = "say 0",
    *,
    adapter_path: str | None = None,
    adapter_digest: str = "",
    **sampling: Any,
) -> GenerationSpec:
    """One answer to `text`; greedy and short when not said otherwise."""
    turns: list[ChatTurn] = [{"role": "user", "content": text}]
    return GenerationSpec(
        base_model=base_model,
        turns=turns,
        sampling=SamplingParams.from_mapping({"temperature": 0, "max_tokens": 16} | sampling),
        adapter_path=adapter_path,
        adapter_digest=adapter_digest,
    )


def _write_byte_tokenizer(folder: Path, context_length: int) -> None:
    from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE

    # One token per byte and no merges: the alphabet of the byte-level scheme, after the special tokens.
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate([*SPECIAL_TOKENS, *alphabet])}
    tokenizer = Tokenizer(BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|im_start|>",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
        "clean_up_tokenization_spaces": False,
        "model_max_length": context_length,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
    generation = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    (folder / "generation_config.json").write_text(json.dumps(generation), encoding="utf-8")
