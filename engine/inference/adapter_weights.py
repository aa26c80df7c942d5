"""A finished adapter as plain tensors, laid out for a batch: read from PEFT's files, checked against the base model.

Nothing is added to the resident model. Layers that read the same input have their A over each other; each has its B by
itself, transposed, since a row of inner values times such a matrix is what a processor does fastest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load

from engine.config import LoraHyperparameters
from engine.errors import AdapterError
from engine.inference.adapter_cache import check_base_model, read_adapter_config
from engine.models.cache import file_sha256
from engine.models.decoder import PROJECTIONS

if TYPE_CHECKING:
    from engine.models.frozen import FrozenProjection
    from engine.models.loading import ResidentModel

LEAST_RANK = 8
"""Ranks are padded to powers of two from here on, so that adapters of near ranks stand in one stack."""

_KEY = re.compile(
    r"base_model\.model\.(?:.+\.)?layers\.(?P<layer>\d+)\.(?P<part>self_attn|mlp)\.(?P<name>\w+)\."
    r"(?:base_layer\.)?(?P<kind>lora_A\.weight|lora_B\.weight|lora_magnitude_vector|bias)"
)


@dataclass(frozen=True, slots=True)
class Group:
    """Neighbouring layers of a projection with equally many outputs, whose B stand in one tensor.

    Attributes:
        first: index of the first layer in its projection.
        count: of layers.
        outputs: their part of the projection's outputs.
    """

    first: int
    count: int
    outputs: slice

    @property
    def output_size(self) -> int:
        """Of one layer."""
        return int(self.outputs.stop - self.outputs.start) // self.count


@dataclass(frozen=True, slots=True)
class ProjectionShape:
    """A frozen projection as an adapter sees it."""

    names: tuple[str, ...]
    input_size: int
    outputs: tuple[slice, ...]
    groups: tuple[Group, ...]

    @property
    def output_size(self) -> int:
        return int(self.outputs[-1].stop)


def projection_shapes(frozen: Sequence[FrozenProjection]) -> tuple[ProjectionShape, ...]:
    """The four projections of a block, which are alike in all blocks."""
    shapes = []
    for (_part, names), projection in zip(PROJECTIONS, frozen, strict=True):
        groups: list[Group] = []
        for index, part in enumerate(projection.outputs):
            size = part.stop - part.start
            last = groups[-1] if groups else None
            if last and last.output_size == size:
                groups[-1] = Group(last.first, last.count + 1, slice(last.outputs.start, part.stop))
            else:
                groups.append(Group(index, 1, part))
        inputs = int(projection.weight.shape[1])
        shapes.append(ProjectionShape(names, inputs, tuple(projection.outputs), tuple(groups)))
    return tuple(shapes)


@dataclass(frozen=True, slots=True, order=True)
class StackKind:
    """Adapters of one kind are applied together.

    Attributes:
        rank: to which all are padded.
        has_gains: whether outputs are scaled one by one (DoRA, arXiv 2402.09353).
        has_biases: whether biases were trained.
    """

    rank: int
    has_gains: bool = False
    has_biases: bool = False


@dataclass(slots=True)
class ProjectionWeights:
    """What an adapter does to one projection of one block.

    Attributes:
        a: (layers x rank, inputs).
        b: for each group, (layers of the group, rank, outputs of a layer); the scaling is in it.
        gain: (outputs,), one where nothing is scaled.
        bias: (outputs,), what is added to the base model's own.
    """

    a: torch.Tensor
    b: list[torch.Tensor]
    gain: torch.Tensor | None = None
    bias: torch.Tensor | None = None

    @property
    def tensors(self) -> list[torch.Tensor]:
        extras = [part for part in (self.gain, self.bias) if part is not None]
        return [self.a, *self.b, *extras]


@dataclass(slots=True, eq=False)
class AdapterWeights:
    """An adapter in memory.

    Attributes:
        digest: sha256 of its file.
        blocks: of each block, the weights of its projections; views of a stack once that holds the adapter.
    """

    digest: str
    kind: StackKind
    blocks: list[list[ProjectionWeights]] = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        return sum(
            tensor.numel() * tensor.element_size()
            for block in self.blocks
            for weights in block
            for tensor in weights.tensors
        )


def read_adapter(folder: Path, digest: str, resident: ResidentModel) -> AdapterWeights:
    """Read a PEFT folder.

    Args:
        digest: sha256 that its weights must have.

    Raises:
        AdapterError: the folder is missing, incomplete, changed, or made for another base model.
    """
    lora = read_adapter_config(folder)
    check_base_model(folder, resident.ref)
    weights = folder / "adapter_model.safetensors"
    try:
        if file_sha256(weights) != digest:
            raise AdapterError(f"{weights} has another digest", reason="changed")
        state = load(weights.read_bytes())
    except (OSError, SafetensorError) as failure:
        raise AdapterError(f"{weights}: {failure}", reason="unreadable") from failure
    return _Reader(lora, digest, state, resident).adapter()


class _Reader:
    """Brings the tensors of a file into their layout, each exactly once."""

    def __init__(
        self,
        lora: LoraHyperparameters,
        digest: str,
        state: Mapping[str, torch.Tensor],
        resident: ResidentModel,
    ) -> None:
        self._lora, self._digest, self._resident = lora, digest, resident
        self._state = _by_place(state)
        self._device = resident.device.torch_device
        self._dtype = resident.device.dtype
        rank = max(lora.rank_of(name) for name in lora.target_modules)
        self._rank = max(LEAST_RANK, 1 << (rank - 1).bit_length())

    def adapter(self) -> AdapterWeights:
        kind = StackKind(
            self._rank, self._lora.variant == "dora", any(key[2] == "bias" for key in self._state)
        )
        blocks = [
            [
                self._projection(index, shape, frozen, kind)
                for shape, frozen in zip(self._resident.projection_shapes, block, strict=True)
            ]
            for index, block in enumerate(self._resident.packed.frozen)
        ]
        if self._state:
            raise AdapterError(f"keys differ: {sorted(self._state)[:3]}")
        return AdapterWeights(self._digest, kind, blocks)

    def _projection(
        self, layer: int, shape: ProjectionShape, frozen: FrozenProjection, kind: StackKind
    ) -> ProjectionWeights:
        rank = self._rank

        def zeros(*sizes: int) -> torch.Tensor:
            return torch.zeros(sizes, device=self._device)

        a = zeros(len(shape.names), rank, shape.input_size)
        b = [zeros(group.count, rank, group.output_size) for group in shape.groups]
        for group, out in zip(shape.groups, b, strict=True):
            for place in range(group.count):
                index = group.first + place
                name = shape.names[index]
                if name in self._lora.target_modules:
                    part = shape.outputs[index]
                    self._fill(layer, name, part.stop - part.start, a[index], out[place])
        weights = ProjectionWeights(a.flatten(0, 1), b)
        if kind.has_gains:
            weights.gain = self._gains(layer, shape, frozen, weights)
        if kind.has_biases:
            weights.bias = self._biases(layer, shape, frozen)
        return self._converted(weights)

    def _fill(
        self, layer: int, name: str, output_size: int, a: torch.Tensor, b: torch.Tensor
    ) -> None:
        rank = self._lora.rank_of(name)
        alpha = self._lora.alpha_pattern.get(name, self._lora.alpha)
        scaling = alpha / (rank**0.5 if self._lora.variant == "rslora" else rank)
        a[:rank] = self._take(layer, name, "lora_A.weight", (rank, a.shape[1]))
        found = self._take(layer, name, "lora_B.weight", (output_size, rank))
        b[:rank] = found.t() * scaling

    def _gains(
        self,
        layer: int,
        shape: ProjectionShape,
        frozen: FrozenProjection,
        weights: ProjectionWeights,
    ) -> torch.Tensor:
        """m / |W + s B A| by output."""
        gain = torch.ones(shape.output_size, device=self._device)
        stacked = weights.a.unflatten(0, (len(shape.names), -1))
        for group, b in zip(shape.groups, weights.b, strict=True):
            for place in range(group.count):
                index = group.first + place
                name, part = shape.names[index], shape.outputs[index]
                if name not in self._lora.target_modules:
                    continue
                size = part.stop - part.start
                magnitude = self._take(layer, name, "lora_magnitude_vector", (size,))
                whole = frozen.weight[part].float() + b[place].t() @ stacked[index]
                gain[part] = magnitude.to(self._device) / torch.linalg.vector_norm(whole, dim=1)
        return gain

    def _biases(self, layer: int, shape: ProjectionShape, frozen: FrozenProjection) -> torch.Tensor:
        moved = torch.zeros(shape.output_size, device=self._device)
        for name, part in zip(shape.names, shape.outputs, strict=True):
            if (layer, name, "bias") not in self._state:
                continue
            if frozen.bias is None:
                raise AdapterError(f"the base model has no bias in {name}")
            trained = self._take(layer, name, "bias", (part.stop - part.start,))
            moved[part] = trained.to(self._device) - frozen.bias[part].float()
        return moved

    def _take(self, layer: int, name: str, kind: str, shape: tuple[int, ...]) -> torch.Tensor:
        tensor = self._state.pop((layer, name, kind), None)
        if tensor is None:
            raise AdapterError(f"layer {layer} has no {name}.{kind}")
        if tuple(tensor.shape) != shape or not tensor.is_floating_point():
            raise AdapterError(f"{name}.{kind} is {tensor.dtype} {tuple(tensor.shape)}")
        return tensor.float()

    def _converted(self, weights: ProjectionWeights) -> ProjectionWeights:
        def convert(tensor: torch.Tensor | None) -> torch.Tensor | None:
            return None if tensor is None else tensor.to(self._dtype)

        return ProjectionWeights(
            weights.a.to(self._dtype),
            [b.to(self._dtype) for b in weights.b],
            convert(weights.gain),
            convert(weights.bias),
        )


def _by_place(state: Mapping[str, torch.Tensor]) -> dict[tuple[int, str, str], torch.Tensor]:
    """Tensors by block, layer and kind."""
    found: dict[tuple[int, str, str], torch.Tensor] = {}
    for key, tensor in state.items():
        match = _KEY.fullmatch(key)
        if match is None:
            raise AdapterError(f"unknown key {key[:200]}")
        found[int(match["layer"]), match["name"], match["kind"]] = tensor
    return found
