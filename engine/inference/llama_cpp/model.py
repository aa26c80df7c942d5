"""A base model, an adapter and a conversation as llama.cpp holds them."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from engine.errors import AdapterError, EngineError, UnsupportedModelError
from engine.inference.llama_cpp.binding import (
    DECODE,
    FLOAT16,
    FLOAT32,
    GPU_LAYERS,
    ContextPlaces,
    find_library,
)

READ_TOKENS = 64
"""Prompt tokens read at once: a third of a second, so that other work and a cancel get in between."""

_CAPACITY_STEP = 256
"""llama.cpp rounds the length of a conversation up to this."""


class LlamaModel:
    """Weights in memory, shared by all conversations.

    Args:
        file: what engine.export.gguf_bare writes.
        key_value_type: of keys and values; FLOAT32 computes attention in float32 as well.

    Raises:
        UnsupportedModelError: llama.cpp is not there, or can not read the file.
    """

    def __init__(self, file: Path, key_value_type: int = FLOAT16) -> None:
        library = find_library()
        if library is None:
            raise UnsupportedModelError("llama.cpp is not installed")
        self.library: Any = library
        self.key_value_type = key_value_type
        parameters = library.llama_model_default_params()
        parameters.set(GPU_LAYERS, 0)
        self.handle = library.llama_model_load_from_file(str(file).encode(), parameters)
        if not self.handle:
            raise UnsupportedModelError(f"llama.cpp can not read {file}")
        vocabulary = library.llama_model_get_vocab(self.handle)
        self.vocabulary_size = int(library.llama_vocab_n_tokens(vocabulary))

    def adapter(self, file: Path) -> LlamaAdapter:
        """Read what engine.export.gguf_adapter writes; the file is not needed afterwards.

        Raises:
            AdapterError: llama.cpp can not read it, or it does not fit this model.
        """
        handle = self.library.llama_adapter_lora_init(self.handle, str(file).encode())
        if not handle:
            raise AdapterError(f"llama.cpp can not read {file}", reason="unreadable")
        return LlamaAdapter(self, handle, file.stat().st_size)

    def close(self) -> None:
        """Free the weights and all adapters; no conversation may be open."""
        if self.handle:
            self.library.llama_model_free(self.handle)
            self.handle = None


class LlamaAdapter:
    """The matrices of one adapter in memory."""

    def __init__(self, model: LlamaModel, handle: Any, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.handle = handle
        self._model = model

    def close(self) -> None:
        """Free it; no conversation with it may be open."""
        if self._model.handle and self.handle:
            self._model.library.llama_adapter_lora_free(self.handle)
        self.handle = None


class LlamaConversation:
    """Keys and values of one conversation with one adapter.

    Args:
        adapter: None for the untouched base model.
        capacity: most tokens.
        outputs: most tokens of one `read` whose logits are wanted.

    Attributes:
        capacity: most tokens, rounded up.
        length: tokens read.
    """

    def __init__(
        self,
        model: LlamaModel,
        adapter: LlamaAdapter | None,
        capacity: int,
        *,
        threads: int,
        outputs: int = 1,
    ) -> None:
        self._model, self._library = model, model.library
        self.length = 0
        parameters = self._library.llama_context_default_params()
        self._most = max(READ_TOKENS, outputs)
        wanted = self.capacity = -(-capacity // _CAPACITY_STEP) * _CAPACITY_STEP
        for place, value in (
            (ContextPlaces.TOKENS, wanted),
            (ContextPlaces.BATCH, self._most),
            (ContextPlaces.SMALL_BATCH, self._most),
            (ContextPlaces.SEQUENCES, 1),
            (ContextPlaces.OUTPUTS, outputs),
            (ContextPlaces.SEQUENCE_OUTPUTS, outputs),
            (ContextPlaces.KEY_TYPE, model.key_value_type),
            (ContextPlaces.VALUE_TYPE, model.key_value_type),
        ):
            parameters.set(place, value)
        if model.key_value_type == FLOAT32:
            # It computes in sixteen bits whatever the keys are.
            parameters.set(ContextPlaces.FLASH_ATTENTION, 0)
        self._handle = self._library.llama_init_from_model(model.handle, parameters)
        if not self._handle:
            raise MemoryError("llama.cpp has no memory for a conversation")
        self._batch = self._library.llama_batch_ext_init(self._handle)
        try:
            self._check(wanted)
            self._library.llama_set_n_threads(self._handle, threads, threads)
            if adapter is not None:
                self._apply(adapter)
        except BaseException:
            self.close()
            raise

    def read(self, token_ids: Sequence[int], *, is_each_wanted: bool = False) -> torch.Tensor:
        """Read at most READ_TOKENS tokens; the logits after the last of them, or after each.

        Returns:
            (vocabulary,) or (tokens, vocabulary) in float32: llama.cpp's own memory, until the next `read`.
        """
        library, batch = self._library, self._batch
        library.llama_batch_ext_clear(batch)
        for offset, token_id in enumerate(token_ids):
            index = library.llama_batch_ext_add_token(batch, 0, token_id)
            position = ctypes.c_int32(self.length + offset)
            if index < 0 or not library.llama_batch_ext_set_pos(batch, index, position):
                raise EngineError("llama.cpp takes no more tokens at once")
            if is_each_wanted or offset == len(token_ids) - 1:
                library.llama_batch_ext_set_output_logits(batch, index, True)
        failure = library.llama_process(self._handle, DECODE, batch)
        if failure:
            raise EngineError(f"llama.cpp reads no tokens: {failure}")
        self.length += len(token_ids)
        if is_each_wanted:
            return torch.stack([self._logits(index) for index in range(len(token_ids))])
        return self._logits(-1)

    def forget_after(self, length: int) -> None:
        """Keep only the first tokens."""
        memory = self._library.llama_get_memory(self._handle)
        if not self._library.llama_memory_seq_rm(memory, 0, length, -1):
            raise EngineError("llama.cpp forgets no part of a conversation")
        self.length = length

    def copied(self) -> bytes:
        """Keys and values, for `restore`."""
        size = self._library.llama_state_seq_get_size(self._handle, 0)
        memory = ctypes.create_string_buffer(size)
        count = self._library.llama_state_seq_get_data(self._handle, memory, size, 0)
        return memory.raw[:count]

    def restore(self, memory: bytes, length: int) -> bool:
        """Begin with what was copied from another conversation of the same model and adapter."""
        taken = self._library.llama_state_seq_set_data(self._handle, memory, len(memory), 0)
        self.length = length if taken else 0
        return bool(taken)

    def close(self) -> None:
        """Free its memory."""
        if self._handle:
            self._library.llama_batch_ext_free(self._batch)
            self._library.llama_free(self._handle)
            self._handle = None

    def _check(self, tokens: int) -> None:
        found = (
            self._library.llama_n_ctx(self._handle),
            self._library.llama_n_batch(self._handle),
            self._library.llama_n_seq_max(self._handle),
        )
        if found[0] < tokens or found[1:] != (self._most, 1):
            raise UnsupportedModelError(f"llama.cpp took other sizes: {found}")

    def _apply(self, adapter: LlamaAdapter) -> None:
        handles = (ctypes.c_void_p * 1)(adapter.handle)
        scales = (ctypes.c_float * 1)(1.0)
        if self._library.llama_set_adapters_lora(self._handle, handles, 1, scales):
            raise AdapterError("llama.cpp does not take the adapter", reason="unsupported")

    def _logits(self, index: int) -> torch.Tensor:
        address = self._library.llama_get_logits_ith(self._handle, index)
        if not address:
            raise EngineError("llama.cpp gives no logits")
        size = self._model.vocabulary_size
        return torch.frombuffer((ctypes.c_float * size).from_address(address), dtype=torch.float32)
