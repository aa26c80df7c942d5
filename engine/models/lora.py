"""Adapters on a resident base model: add, activate, read, load and delete them by name. PEFT does the mathematics.

Several adapters may live on one base model; at most one is active. An adapter made for training keeps its gradients
only while it is active; all others and the base model never take any.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from peft import (
    LoraConfig,
    get_peft_model_state_dict,
    inject_adapter_in_model,
    set_peft_model_state_dict,
)
from peft.tuners.lora import LoraLayer
from torch import nn
from transformers import PreTrainedModel

from engine.config import TARGET_MODULES, LoraHyperparameters
from engine.errors import AdapterError, UnsupportedVariantError

_KEY_PREFIX = "base_model.model."
"""How PEFT's own files start every key: the PeftModel and LoraModel around the base model."""

_LAYER_INDEX = re.compile(r"\.layers\.\d+\.")


def peft_config(lora: LoraHyperparameters, base_model_name: str | None = None) -> LoraConfig:
    """PEFT's form of the adapter's shape. A QLoRA adapter is a LoRA adapter: only its base model was packed."""
    return LoraConfig(
        r=lora.r,
        lora_alpha=_plain(lora.alpha),  # type: ignore[arg-type]
        lora_dropout=lora.dropout,
        target_modules=list(lora.target_modules),
        rank_pattern=dict(lora.rank_pattern),
        alpha_pattern={module: _plain(alpha) for module, alpha in lora.alpha_pattern.items()},
        use_rslora=lora.variant == "rslora",
        use_dora=lora.variant == "dora",
        bias=lora.bias,  # type: ignore[arg-type]
        task_type="CAUSAL_LM",
        base_model_name_or_path=base_model_name,
    )


def _plain(alpha: float) -> int | float:
    """A whole alpha as PEFT's own files write it."""
    return int(alpha) if float(alpha).is_integer() else alpha


def module_shapes(model: nn.Module) -> dict[str, tuple[int, int]]:
    """(inputs, outputs) of each target module of one block, as trainable_parameter_count takes them."""
    shapes: dict[str, tuple[int, int]] = {}
    for name, module in model.named_modules():
        leaf = name.rpartition(".")[2]
        if leaf in TARGET_MODULES and leaf not in shapes and _LAYER_INDEX.search(f".{name}"):
            linear: Any = module.base_layer if isinstance(module, LoraLayer) else module
            shapes[leaf] = (linear.in_features, linear.out_features)
    return shapes


class AdapterSet:
    """The adapters of one base model."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        # LoraLayer, which is a mix-in: each of them is a Module as well.
        self._layers: list[Any] = []
        self._names: set[str] = set()
        self._serial = 0
        self._active: str | None = None
        self._is_training = False
        self._biases: dict[str, dict[nn.Module, nn.Parameter]] = {}
        self._own_biases: dict[nn.Module, nn.Parameter] = {}

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._names)

    @property
    def active(self) -> str | None:
        return self._active

    def add(self, lora: LoraHyperparameters, *, seed: int) -> str:
        """Add a fresh adapter that changes nothing yet (B is zero) and return its name.

        Args:
            seed: of the random matrix A; the global generator is left as it was.

        Raises:
            UnsupportedVariantError: biases are to be trained, and the base model has none there.
        """
        biases = self._biases_of(lora)
        self._serial += 1
        name = f"adapter{self._serial}"
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            # PEFT warns that a second adapter joins the model, which is the purpose here.
            warnings.simplefilter("ignore")
            torch.manual_seed(seed)
            # PEFT would train the base model's own biases, which other adapters share; ours are copies.
            shape = peft_config(replace(lora, bias="none"))
            inject_adapter_in_model(shape, self._model, name)
        self._biases[name] = biases
        self._names.add(name)
        self._layers = [layer for layer in self._model.modules() if isinstance(layer, LoraLayer)]
        for parameter in self.parameters(name):
            parameter.data = parameter.data.float()
        for layer in self._layers:
            layer.eval()
        self._switch(None, is_training=False)
        return name

    def activate(self, name: str | None, *, is_training: bool = False) -> None:
        """Make `name` the adapter of the next forward passes, or None for the bare base model.

        Args:
            is_training: whether its weights take gradients and its dropout is on. Nothing is done when all is so.
        """
        if (name, is_training) != (self._active, self._is_training):
            self._switch(name, is_training=is_training)

    def parameters(self, name: str) -> list[nn.Parameter]:
        """The weights of an adapter in a fixed order."""
        # A dict, since DoRA layers name their magnitudes twice.
        found: dict[nn.Parameter, None] = {}
        for layer in self._layers:
            for kind in layer.adapter_layer_names:
                holder = getattr(layer, kind)
                if name in holder:
                    found.update(dict.fromkeys(holder[name].parameters()))
        return [*found, *self._biases[name].values()]

    def biases(self, name: str) -> Mapping[nn.Module, nn.Parameter]:
        """The trained biases of an adapter by the base model's linear layers."""
        return self._biases[name]

    def state_dict(self, name: str) -> dict[str, torch.Tensor]:
        """Copies of an adapter's weights on the CPU under the keys of PEFT's files."""
        state = get_peft_model_state_dict(self._model, adapter_name=name)
        state |= self._bias_state(name)
        return {
            _KEY_PREFIX + key: value.detach().to("cpu", torch.float32, copy=True).contiguous()
            for key, value in sorted(state.items())
        }

    def load_state_dict(self, name: str, state: Mapping[str, torch.Tensor]) -> None:
        """Overwrite an adapter's weights.

        Raises:
            AdapterError: keys or shapes differ from the adapter's.
        """
        expected = self.state_dict(name)
        if set(expected) != set(state):
            odd = sorted(set(expected) ^ set(state))[:3]
            raise AdapterError(f"keys differ: {odd}")
        for key, value in state.items():
            if value.shape != expected[key].shape or not value.is_floating_point():
                raise AdapterError(f"{key} is {value.dtype} {tuple(value.shape)}")
        plain = {key.removeprefix(_KEY_PREFIX): value.float() for key, value in state.items()}
        for key, bias in self._bias_state(name).items():
            bias.data.copy_(plain.pop(key))
        set_peft_model_state_dict(self._model, plain, adapter_name=name)

    def delete(self, name: str) -> None:
        """Remove an adapter and free its memory; an unknown name is ignored."""
        if name not in self._names:
            return
        self._switch(None, is_training=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for layer in self._layers:
                layer.delete_adapter(name)
        self._names.discard(name)
        del self._biases[name]
        self._model.peft_config.pop(name, None)
        self._switch(None, is_training=False)

    def _biases_of(self, lora: LoraHyperparameters) -> dict[nn.Module, nn.Parameter]:
        """Copies of the base model's biases that the adapter trains."""
        if lora.bias == "none":
            return {}
        found = {
            module: nn.Parameter(module.bias.detach().float().clone(), requires_grad=False)
            for name, module in self._linears().items()
            if module.bias is not None
            and (lora.bias == "all" or name.rpartition(".")[2] in lora.target_modules)
        }
        if not found:
            raise UnsupportedVariantError(
                "the base model has no biases there", variant=lora.bias, reason="no_bias"
            )
        return found

    def _linears(self) -> dict[str, Any]:
        """The base model's own linear layers in its blocks, by name without PEFT's wrapping."""
        return {
            name.removesuffix(".base_layer"): module
            for name, module in self._model.named_modules()
            if isinstance(module, nn.Linear)
            and _LAYER_INDEX.search(f".{name}")
            and ".lora_" not in name
        }

    def _bias_state(self, name: str) -> dict[str, nn.Parameter]:
        """The trained biases under the names that they have in a model with PEFT's layers."""
        names = {module: path for path, module in self._model.named_modules()}
        return {f"{names[module]}.bias": bias for module, bias in self._biases[name].items()}

    def _switch_biases(self, name: str | None, *, is_training: bool) -> None:
        for module, own in self._own_biases.items():
            module.bias = own
        self._own_biases = {}
        for module, bias in self._biases.get(name or "", {}).items():
            assert isinstance(module.bias, nn.Parameter)
            self._own_biases[module] = module.bias
            bias.requires_grad_(is_training)
            # The packed passes read the float32 weights; a chat computes in the base model's own format.
            own_type = module.bias.dtype
            module.bias = bias if bias.dtype == own_type else nn.Parameter(bias.to(own_type), False)

    def _switch(self, name: str | None, *, is_training: bool) -> None:
        self._switch_biases(name, is_training=is_training)
        for layer in self._layers:
            if name is None:
                layer.enable_adapters(False)
            else:
                layer._disable_adapters = False
                layer.set_adapter([name], inference_mode=not is_training)
            # Dropout is the only part that differs between training and use.
            if layer.training != is_training:
                layer.train(is_training)
        self._active = name
        self._is_training = is_training
