"""Base models resident on the device: load from a folder of safetensors, keep by digest, let go of the idle ones."""

from __future__ import annotations

import gc
import logging
import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from engine.config import LoraHyperparameters
from engine.data.chat_template import ChatFormat
from engine.data.token_cache import TokenCache
from engine.inference.adapter_cache import AdapterCache
from engine.inference.adapter_weights import projection_shapes
from engine.inference.room import DecodeRoom
from engine.models.chat_precision import Choice, choose, forced
from engine.models.decoder import PackedDecoder
from engine.models.devices import Device, free_cached_memory
from engine.models.folders import read_base_model
from engine.models.library_tokenizer import LibraryTokenizer, stop_ids_of
from engine.models.lora import AdapterSet, module_shapes
from engine.models.products import Products, choose_products, remembered_products
from engine.models.scores import soft_capped
from engine.protocol import BaseModelRef
from engine.signals import Signals

logger = logging.getLogger(__name__)

CHAT_PRECISION_VARIABLE = "LLMLORA_CHAT_PRECISION"
CHAT_PRECISIONS = ("auto", "float32", "bfloat16", "int8")
"""auto takes the fastest whose predictions stay close to float32 (engine.models.chat_precision)."""


class ResidentModel:
    """A base model on the device with its tokenizer and its adapters.

    Attributes:
        ref: which base model it is.
        model: frozen, in evaluation mode.
        adapters: the adapters on it.
        adapter_cache: finished adapters kept for chats.
        packed: the decoder's blocks for training and evaluation.
        chat_format: turns to token ids.
        token_cache: tokenised datasets.
        projection_shapes: of the four projections of a block, as adapters see them.
        chat_precision: in which chats multiply with the frozen weights (CHAT_PRECISIONS).
        signals: those of the work at hand; a cancel is heard after every block of the library's forward pass.
    """

    def __init__(
        self,
        ref: BaseModelRef,
        model: Any,
        tokenizer: PreTrainedTokenizerBase,
        device: Device,
        products: Products,
        chat_precision: str = "float32",
    ) -> None:
        self.ref = ref
        # Any, since transformers leaves most of its methods without types of use.
        self.model: Any = model
        self.tokenizer: Any = tokenizer
        self.device = device
        # Before any adapter: it looks at the bare layers, and later finds the adapters around them.
        self.packed = PackedDecoder(
            self.decoder, products, is_attention_fused=device.attention == "sdpa"
        )
        self.projection_shapes = projection_shapes(self.packed.frozen[0])
        self.adapters = AdapterSet(model)
        self.adapter_cache = AdapterCache(self.adapters, ref)
        self.chat_format = ChatFormat(LibraryTokenizer(tokenizer), stop_ids_of(model, tokenizer))
        self.token_cache = TokenCache()
        self.chat_precision = chat_precision
        self._room: DecodeRoom | None = None
        self.signals: Signals | None = None
        for block in self.decoder.layers:
            block.register_forward_hook(self._watch_cancel)

    @property
    def room(self) -> DecodeRoom:
        """Where its chats are decoded together, made when it is first asked for."""
        if self._room is None:
            chosen = self._chosen_precision()
            self._room = DecodeRoom(self, chosen.linears, precision=chosen.precision)
        return self._room

    def _chosen_precision(self) -> Choice:
        if self.device.kind != "cpu":
            return Choice(self.device.dtype_name)  # type: ignore[arg-type]
        if self.chat_precision == "auto":
            return choose(self)
        try:
            return forced(self, self.chat_precision)  # type: ignore[arg-type]
        except NotImplementedError as failure:
            logger.warning("chats stay in float32: %s", failure)
            return Choice("float32")

    @property
    def decoder(self) -> Any:
        """The blocks without the head, a Module: token ids to hidden states."""
        return self.model.get_decoder()

    @property
    def head_weight(self) -> torch.Tensor:
        """The output projection, (vocabulary, hidden)."""
        weight: torch.Tensor = self.model.get_output_embeddings().weight
        return weight

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """What the head makes of hidden states after the last normalisation, (..., vocabulary)."""
        logits = hidden @ self.head_weight.T
        return soft_capped(logits, self.packed.architecture.logit_cap)

    @property
    def context_length(self) -> int:
        """Most tokens of one example or conversation."""
        return int(self.model.config.max_position_embeddings)

    @property
    def is_four_bit(self) -> bool:
        return bool(getattr(self.model, "is_loaded_in_4bit", False))

    @property
    def layer_count(self) -> int:
        return int(self.model.config.num_hidden_layers)

    @property
    def module_shapes(self) -> dict[str, tuple[int, int]]:
        return module_shapes(self.model)

    def _watch_cancel(self, block: nn.Module, inputs: Any, output: Any) -> None:
        if self.signals is not None:
            self.signals.raise_if_cancelled()


class ModelHost:
    """The resident base models of this process, by digest.

    Args:
        capacity: most models kept; the least recently used one leaves when it has no user.
        memory: file in which this host remembers how it multiplies; without one each process chooses by itself.
        chat_precision: one of CHAT_PRECISIONS; that of LLMLORA_CHAT_PRECISION when not given, else auto.
    """

    def __init__(
        self,
        device: Device,
        capacity: int = 2,
        memory: Path | None = None,
        chat_precision: str | None = None,
    ) -> None:
        self.device = device
        self._chat_precision = read_chat_precision(chat_precision)
        self.products = (
            choose_products(device.kind)
            if memory is None
            else remembered_products(device.kind, device.name, memory)
        )
        self._capacity = capacity
        self._models: OrderedDict[tuple[str, bool], ResidentModel] = OrderedDict()
        self._users: dict[tuple[str, bool], int] = {}

    def acquire(self, ref: BaseModelRef, *, is_four_bit: bool = False) -> ResidentModel:
        """The resident model of `ref`, loaded when it is not there; give it back with release.

        Args:
            is_four_bit: with its weights packed into four bits, for QLoRA; it is another resident model.

        Raises:
            UnsupportedModelError: the folder is missing, unreadable or of a kind that is not trained here.
            UnsupportedVariantError: four bits are asked for and not to be had on this device.
        """
        key = _key(ref, is_four_bit=is_four_bit)
        if key not in self._models:
            self._make_room()
            self._models[key] = load_base_model(
                ref,
                self.device,
                self.products,
                is_four_bit=is_four_bit,
                chat_precision=self._chat_precision,
            )
        self._models.move_to_end(key)
        self._users[key] = self._users.get(key, 0) + 1
        return self._models[key]

    def release(self, resident: ResidentModel) -> None:
        """End one use; the model stays resident for the next."""
        resident.signals = None
        self._users[_key(resident.ref, is_four_bit=resident.is_four_bit)] -= 1

    def is_resident(self, ref: BaseModelRef) -> bool:
        return _key(ref, is_four_bit=False) in self._models

    def _make_room(self) -> None:
        idle = [key for key in self._models if not self._users.get(key)]
        while len(self._models) >= self._capacity and idle:
            key = idle.pop(0)
            logger.info("base model %s leaves the device", self._models[key].ref.name)
            del self._models[key]
            # A resident model, its room and its hooks know each other.
            gc.collect()
            free_cached_memory(self.device)


def _key(ref: BaseModelRef, *, is_four_bit: bool) -> tuple[str, bool]:
    return ref.digest, is_four_bit


def read_chat_precision(wanted: str | None = None) -> str:
    """A precision of chats: what is wanted, else what the environment says, else auto."""
    chosen = wanted or os.environ.get(CHAT_PRECISION_VARIABLE) or "auto"
    if chosen not in CHAT_PRECISIONS:
        logger.warning("%s=%s is not known; taking auto", CHAT_PRECISION_VARIABLE, chosen)
        return "auto"
    return chosen


def load_base_model(
    ref: BaseModelRef,
    device: Device,
    products: Products,
    *,
    is_four_bit: bool = False,
    chat_precision: str = "float32",
) -> ResidentModel:
    """Make a folder's model resident.

    Raises:
        UnsupportedModelError: the folder is missing, unreadable or of a kind that is not trained here.
        UnsupportedVariantError: four bits are asked for and not to be had on this device.
    """
    model, tokenizer = read_base_model(ref, device, is_four_bit=is_four_bit)
    resident = ResidentModel(ref, model, tokenizer, device, products, chat_precision)
    # Reading a folder takes more than what stays of it.
    free_cached_memory(device)
    return resident


def needs_four_bit(lora: LoraHyperparameters) -> bool:
    """Whether an adapter is trained over packed weights (QLoRA, arXiv 2305.14314)."""
    return lora.variant == "qlora"
