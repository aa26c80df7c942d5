"""Read a llama-architecture GGUF file: its weights in float32 under Hugging Face names, its config, its tokenizer.

Owns the mapping only; where the file comes from and where the result goes is bundled.py's business. Torch-free: numpy
dequantises, as the gguf package defines it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE

from engine.errors import UnsupportedModelError

_TENSOR_NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
_BLOCK_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_BLOCK_TENSOR = re.compile(r"blk\.(\d+)\.(\w+)\.weight")
_CONTROL_TOKEN = 3  # gguf.TokenType.CONTROL


class LlamaGguf:
    """An opened GGUF file of the llama architecture.

    Raises:
        UnsupportedModelError: the file is not a GGUF of that architecture.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._reader = gguf.GGUFReader(path)
        except (OSError, ValueError) as failure:
            raise UnsupportedModelError(
                f"{path} is not a readable GGUF file: {failure}"
            ) from failure
        architecture = self._field("general.architecture")
        if architecture != "llama":
            raise UnsupportedModelError(
                f"GGUF architecture {architecture}", architecture=architecture
            )

    @property
    def tensor_count(self) -> int:
        return len(self._reader.tensors)

    def tensors(self) -> Iterator[tuple[str, np.ndarray]]:
        """Hugging Face name and float32 weights, one tensor at a time; linear weights are (outputs, inputs)."""
        for tensor in self._reader.tensors:
            weights = gguf.dequantize(tensor.data, tensor.tensor_type).astype(
                np.float32, copy=False
            )
            yield hugging_face_name(tensor.name), self._in_hugging_face_order(tensor.name, weights)

    def model_config(self) -> dict[str, Any]:
        """config.json of transformers' LlamaForCausalLM."""
        heads = self._field("llama.attention.head_count")
        hidden_size = self._field("llama.embedding_length")
        names = {tensor.name for tensor in self._reader.tensors}
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "attention_bias": False,
            "attention_dropout": 0.0,
            "bos_token_id": self._field("tokenizer.ggml.bos_token_id"),
            "eos_token_id": self._field("tokenizer.ggml.eos_token_id"),
            "pad_token_id": self._padding_id(),
            "dtype": "float32",
            "head_dim": hidden_size // heads,
            "hidden_act": "silu",
            "hidden_size": hidden_size,
            "initializer_range": 0.02,
            "intermediate_size": self._field("llama.feed_forward_length"),
            "max_position_embeddings": self._field("llama.context_length"),
            "mlp_bias": False,
            "num_attention_heads": heads,
            "num_hidden_layers": self._field("llama.block_count"),
            "num_key_value_heads": self._field("llama.attention.head_count_kv"),
            "rms_norm_eps": self._field("llama.attention.layer_norm_rms_epsilon"),
            "rope_parameters": {
                "rope_theta": self._field("llama.rope.freq_base"),
                "rope_type": "default",
            },
            "tie_word_embeddings": "output.weight" not in names,
            "use_cache": True,
            "vocab_size": self._field("llama.vocab_size"),
        }

    def generation_config(self) -> dict[str, Any]:
        return {
            "bos_token_id": self._field("tokenizer.ggml.bos_token_id"),
            "eos_token_id": self._field("tokenizer.ggml.eos_token_id"),
            "pad_token_id": self._padding_id(),
        }

    def chat_template(self) -> str:
        return str(self._field("tokenizer.chat_template"))

    def tokenizer(self) -> Tokenizer:
        """The byte-level BPE tokenizer of the file.

        Raises:
            UnsupportedModelError: it is of another kind than `smollm`, the one that this mapping knows.
        """
        kind = (self._field("tokenizer.ggml.model"), self._field("tokenizer.ggml.pre"))
        if kind != ("gpt2", "smollm"):
            raise UnsupportedModelError(f"GGUF tokenizer {kind}", tokenizer="/".join(kind))
        tokens = self._field("tokenizer.ggml.tokens")
        vocabulary = {token: index for index, token in enumerate(tokens)}
        merges = [tuple(pair.split(" ")) for pair in self._field("tokenizer.ggml.merges")]
        tokenizer = Tokenizer(BPE(vocab=vocabulary, merges=merges, fuse_unk=False))
        # llama.cpp names this pre-tokenizer "smollm": every digit alone, then GPT-2's byte-level words.
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(r"\p{N}"), behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
            ]
        )
        tokenizer.decoder = decoders.ByteLevel()
        types = self._field("tokenizer.ggml.token_type")
        tokenizer.add_special_tokens(
            [
                AddedToken(token, special=True, normalized=False)
                for token, kind in zip(tokens, types, strict=True)
                if kind == _CONTROL_TOKEN
            ]
        )
        return tokenizer

    def tokenizer_config(self) -> dict[str, Any]:
        tokens = self._field("tokenizer.ggml.tokens")
        return {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": tokens[self._field("tokenizer.ggml.bos_token_id")],
            "eos_token": tokens[self._field("tokenizer.ggml.eos_token_id")],
            "unk_token": tokens[self._field("tokenizer.ggml.unknown_token_id")],
            "pad_token": tokens[self._padding_id()],
            "clean_up_tokenization_spaces": False,
            "model_max_length": self._field("llama.context_length"),
        }

    def _padding_id(self) -> int:
        # The file pads with the stop token; whoever masks padding by its id would then mask the learned stop too.
        return int(self._field("tokenizer.ggml.unknown_token_id"))

    def _in_hugging_face_order(self, name: str, weights: np.ndarray) -> np.ndarray:
        if name.endswith(".attn_q.weight"):
            return interleaved_to_halves(weights, self._field("llama.attention.head_count"))
        if name.endswith(".attn_k.weight"):
            return interleaved_to_halves(weights, self._field("llama.attention.head_count_kv"))
        return weights

    def _field(self, name: str) -> Any:
        field = self._reader.get_field(name)
        if field is None:
            raise UnsupportedModelError(f"GGUF field {name} is missing", field=name)
        return field.contents()


def hugging_face_name(name: str) -> str:
    """Parameter name in transformers' Llama of a GGUF tensor.

    Raises:
        UnsupportedModelError: the tensor is not part of the llama architecture.
    """
    block = _BLOCK_TENSOR.fullmatch(name)
    if block and block[2] in _BLOCK_NAMES:
        return f"model.layers.{block[1]}.{_BLOCK_NAMES[block[2]]}.weight"
    stem = name.removesuffix(".weight")
    if stem in _TENSOR_NAMES:
        return f"{_TENSOR_NAMES[stem]}.weight"
    raise UnsupportedModelError(f"GGUF tensor {name} is unknown", tensor=name)


def interleaved_to_halves(weights: np.ndarray, head_count: int) -> np.ndarray:
    """Row order of a query or key projection, from llama.cpp's rotary pairs to transformers' halves.

    llama.cpp rotates neighbouring rows (2i, 2i+1) of a head, transformers rows (i, i + head_size/2).

    Args:
        weights: (head_count * head_size, inputs).
        head_count: heads of this projection; for keys the number of key-value heads.
    """
    rows, inputs = weights.shape
    pairs = weights.reshape(head_count, rows // head_count // 2, 2, inputs)
    return np.ascontiguousarray(pairs.transpose(0, 2, 1, 3)).reshape(rows, inputs)
