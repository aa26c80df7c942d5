"""Adapters on a resident base model: add, activate, read, load and delete them by name. PEFT does the mathematics.

Several adapters may live on one base model; at most one is active. An adapter made for training keeps its gradients
only while it is active; all others and the base model never take any.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
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
from engine.errors import AdapterError

_KEY_PREFIX = "base_model.model."
"""How PEFT's own files start every key: the PeftModel and LoraModel around the base model."""

_LAYER_INDEX = re.compile(r"\.layers\.\d+\.")


def peft_config(lora: LoraHyperparameters, base_model_name: str | None = None) -> LoraConfig:
    """PEFT's form of the adapter's shape."""
    alpha = int(lora.alpha) if float(lora.alpha).is_integer() else lora.alpha
    return LoraConfig(
        r=lora.r,
        lora_alpha=alpha,  # type: ignore[arg-type]
        lora_dropout=lora.dropout,
        target_modules=list(lora.target_modules),
        use_rslora=lora.variant == "rslora",
        use_dora=lora.variant == "dora",
        bias="none",
        task_type="CAUSAL_LM",
        base_model_name_or_path=base_model_name,
    )


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
        """
        self._serial += 1
        name = f"adapter{self._serial}"
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            # PEFT warns that a second adapter joins the model, which is the purpose here.
            warnings.simplefilter("ignore")
            torch.manual_seed(seed)
            inject_adapter_in_model(peft_config(lora), self._model, name)
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
        return list(found)

    def state_dict(self, name: str) -> dict[str, torch.Tensor]:
        """Copies of an adapter's weights on the CPU under the keys of PEFT's files."""
        state = get_peft_model_state_dict(self._model, adapter_name=name)
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
        self._model.peft_config.pop(name, None)
        self._switch(None, is_training=False)

    def _switch(self, name: str | None, *, is_training: bool) -> None:
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
