"""Base models resident on the device: load from a folder of safetensors, keep by digest, let go of the idle ones."""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.tokenization_utils_base import PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from engine.cancellation import CancelFlag
from engine.config import TARGET_MODULES
from engine.data.chat_template import ChatFormat
from engine.errors import UnsupportedModelError
from engine.inference.adapter_cache import AdapterCache
from engine.models.cache import REQUIRED_FILES
from engine.models.devices import Device, free_cached_memory
from engine.models.lora import AdapterSet, module_shapes
from engine.protocol import BaseModelRef

logger = logging.getLogger(__name__)

transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]

SUPPORTED_TYPES = ("llama", "mistral", "qwen2", "qwen3")
"""Model types whose blocks hold the seven target modules and whose logits are the bare head's output."""


class ResidentModel:
    """A base model on the device with its tokenizer and its adapters.

    Attributes:
        ref: which base model it is.
        model: frozen, in evaluation mode.
        adapters: the adapters on it.
        adapter_cache: finished adapters kept for chats.
        chat_format: turns to token ids.
        cancel_flag: looked at before every block, forward and backward; set it to the flag of the work at hand.
    """

    def __init__(
        self,
        ref: BaseModelRef,
        model: Any,
        tokenizer: PreTrainedTokenizerBase,
        device: Device,
    ) -> None:
        self.ref = ref
        # Any, since transformers leaves most of its methods without types of use.
        self.model: Any = model
        self.tokenizer: Any = tokenizer
        self.device = device
        self.adapters = AdapterSet(model)
        self.adapter_cache = AdapterCache(self.adapters, ref)
        self.chat_format = ChatFormat(tokenizer, _stop_ids(model, tokenizer))
        self.cancel_flag: CancelFlag | None = None
        for block in self.decoder.layers:
            block.register_forward_hook(self._watch_cancel)

    @property
    def decoder(self) -> Any:
        """The blocks without the head, a Module: token ids to hidden states."""
        return self.model.get_decoder()

    @property
    def head_weight(self) -> torch.Tensor:
        """The output projection, (vocabulary, hidden)."""
        weight: torch.Tensor = self.model.get_output_embeddings().weight
        return weight

    @property
    def context_length(self) -> int:
        return int(self.model.config.max_position_embeddings)

    @property
    def layer_count(self) -> int:
        return int(self.model.config.num_hidden_layers)

    @property
    def module_shapes(self) -> dict[str, tuple[int, int]]:
        return module_shapes(self.model)

    def check_cancelled(self) -> None:
        """
        Raises:
            CancelledError: the work at hand was cancelled.
        """
        if self.cancel_flag is not None:
            self.cancel_flag.raise_if_set()

    def _watch_cancel(self, block: nn.Module, inputs: Any, output: Any) -> None:
        self.check_cancelled()
        hidden = output[0] if isinstance(output, tuple) else output
        if hidden.requires_grad:
            hidden.register_hook(self._watch_cancel_backward)

    def _watch_cancel_backward(self, gradient: torch.Tensor) -> None:
        self.check_cancelled()


class ModelHost:
    """The resident base models of this process, by digest.

    Args:
        capacity: most models kept; the least recently used one leaves when it has no user.
    """

    def __init__(self, device: Device, capacity: int = 2) -> None:
        self.device = device
        self._capacity = capacity
        self._models: OrderedDict[str, ResidentModel] = OrderedDict()
        self._users: dict[str, int] = {}

    def acquire(self, ref: BaseModelRef) -> ResidentModel:
        """The resident model of `ref`, loaded when it is not there; give it back with release.

        Raises:
            UnsupportedModelError: the folder is missing, unreadable or of a kind that is not trained here.
        """
        if ref.digest not in self._models:
            self._make_room()
            self._models[ref.digest] = load_base_model(ref, self.device)
        self._models.move_to_end(ref.digest)
        self._users[ref.digest] = self._users.get(ref.digest, 0) + 1
        return self._models[ref.digest]

    def release(self, resident: ResidentModel) -> None:
        """End one use; the model stays resident for the next."""
        resident.cancel_flag = None
        self._users[resident.ref.digest] -= 1

    def is_resident(self, ref: BaseModelRef) -> bool:
        return ref.digest in self._models

    def _make_room(self) -> None:
        idle = [digest for digest in self._models if not self._users.get(digest)]
        while len(self._models) >= self._capacity and idle:
            digest = idle.pop(0)
            logger.info("base model %s leaves the device", self._models[digest].ref.name)
            del self._models[digest]
            free_cached_memory(self.device)


def load_base_model(ref: BaseModelRef, device: Device) -> ResidentModel:
    """Load a folder with config.json, model.safetensors and tokenizer files; nothing in it is executed.

    Raises:
        UnsupportedModelError: the folder is missing, unreadable or of a kind that is not trained here.
    """
    folder = Path(ref.path)
    _check_folder(ref, folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=device.dtype,
            attn_implementation=device.attention,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
        )
    except MemoryError:
        raise
    except Exception as failure:
        # The libraries raise some ten kinds of exception for a folder that they can not read.
        raise UnsupportedModelError(f"{folder}: {failure!r}", name=ref.name) from failure
    model.requires_grad_(False).eval().to(device.torch_device)
    _check_structure(ref, model)
    return ResidentModel(ref, model, tokenizer, device)


def _check_folder(ref: BaseModelRef, folder: Path) -> None:
    missing = [name for name in REQUIRED_FILES if not (folder / name).is_file()]
    if missing:
        raise UnsupportedModelError(f"{folder} lacks {missing}", name=ref.name, missing=missing)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as failure:
        raise UnsupportedModelError(f"{folder}: {failure}", name=ref.name) from failure
    model_type = config.get("model_type") if isinstance(config, dict) else None
    if model_type not in SUPPORTED_TYPES or "auto_map" in config:
        raise UnsupportedModelError(
            f"model type {model_type}", name=ref.name, model_type=str(model_type)
        )


def _check_structure(ref: BaseModelRef, model: Any) -> None:
    head = model.get_output_embeddings()
    if set(module_shapes(model)) != set(TARGET_MODULES) or head is None or head.bias is not None:
        raise UnsupportedModelError(f"{ref.name} lacks target modules", name=ref.name)


def _stop_ids(model: Any, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    stop_ids: set[int] = set()
    for value in (tokenizer.eos_token_id, model.generation_config.eos_token_id):
        if isinstance(value, int):
            stop_ids.add(value)
        elif value is not None:
            stop_ids.update(int(item) for item in value)
    return frozenset(stop_ids)
