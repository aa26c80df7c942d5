"""llama.cpp as a library: the few functions of its C interface that draw answers, in the wheel `xllamacpp`.

The wheel's own interface is a server, which listens on a port of the host without a password and takes adapters only
when it starts. The library under it is asked directly instead. Its structures change from release to release and a
wrong one ends the process, so a release is taken only when it was tried, and only when it answers as it did then.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import logging
import sys
from ctypes import POINTER, c_bool, c_char_p, c_float, c_int, c_int32, c_size_t, c_uint32, c_void_p
from importlib import metadata
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

PACKAGE = "xllamacpp"
TRIED_RELEASES = frozenset({"2026.10.11549"})
DECODE = 1
"""Of llama_process: what it shall do."""

FLOAT32, FLOAT16 = 0, 1
"""Types of keys and values."""

_PARAMETER_BYTES = 512
"""More than either structure has: what is handed over is read from its beginning."""

_WARNING, _ERROR = 3, 4


class Parameters(ctypes.Structure):
    """Parameters of a model or of a context, by the place of each value."""

    _fields_ = (("content", ctypes.c_uint8 * _PARAMETER_BYTES),)

    def get(self, place: int) -> int:
        return c_uint32.from_buffer(self, place).value

    def set(self, place: int, value: int) -> None:
        c_uint32.from_buffer(self, place).value = value


class ContextPlaces:
    """Where values stand in the parameters of a context."""

    TOKENS = 0
    BATCH = 4
    SMALL_BATCH = 8
    SEQUENCES = 12
    OUTPUTS = 20
    SEQUENCE_OUTPUTS = 24
    FLASH_ATTENTION = 52
    KEY_TYPE = 104
    VALUE_TYPE = 108


GPU_LAYERS = 16
"""Place in the parameters of a model."""

_ALL_GPU_LAYERS = _UNDECIDED = 0xFFFFFFFF

_CONTEXT_DEFAULTS = {
    ContextPlaces.TOKENS: 512,
    ContextPlaces.BATCH: 2048,
    ContextPlaces.SMALL_BATCH: 512,
    ContextPlaces.SEQUENCES: 1,
    ContextPlaces.OUTPUTS: 0,
    ContextPlaces.SEQUENCE_OUTPUTS: 1,
    ContextPlaces.FLASH_ATTENTION: _UNDECIDED,
    ContextPlaces.KEY_TYPE: FLOAT16,
    ContextPlaces.VALUE_TYPE: FLOAT16,
}

_Log = ctypes.CFUNCTYPE(None, c_int, c_char_p, c_void_p)

_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "llama_log_set": (None, (_Log, c_void_p)),
    "llama_backend_init": (None, ()),
    "llama_model_default_params": (Parameters, ()),
    "llama_context_default_params": (Parameters, ()),
    "llama_model_load_from_file": (c_void_p, (c_char_p, Parameters)),
    "llama_model_free": (None, (c_void_p,)),
    "llama_model_get_vocab": (c_void_p, (c_void_p,)),
    "llama_vocab_n_tokens": (c_int32, (c_void_p,)),
    "llama_init_from_model": (c_void_p, (c_void_p, Parameters)),
    "llama_free": (None, (c_void_p,)),
    "llama_n_ctx": (c_uint32, (c_void_p,)),
    "llama_n_batch": (c_uint32, (c_void_p,)),
    "llama_n_seq_max": (c_uint32, (c_void_p,)),
    "llama_set_n_threads": (None, (c_void_p, c_int32, c_int32)),
    "llama_adapter_lora_init": (c_void_p, (c_void_p, c_char_p)),
    "llama_adapter_lora_free": (None, (c_void_p,)),
    "llama_set_adapters_lora": (
        c_int32,
        (c_void_p, POINTER(c_void_p), c_size_t, POINTER(c_float)),
    ),
    "llama_batch_ext_init": (c_void_p, (c_void_p,)),
    "llama_batch_ext_free": (None, (c_void_p,)),
    "llama_batch_ext_clear": (None, (c_void_p,)),
    "llama_batch_ext_add_token": (c_int32, (c_void_p, c_int32, c_int32)),
    "llama_batch_ext_set_pos": (c_bool, (c_void_p, c_int32, POINTER(c_int32))),
    "llama_batch_ext_set_output_logits": (c_bool, (c_void_p, c_int32, c_bool)),
    "llama_process": (c_int32, (c_void_p, c_int32, c_void_p)),
    "llama_get_logits_ith": (c_void_p, (c_void_p, c_int32)),
    "llama_get_memory": (c_void_p, (c_void_p,)),
    "llama_memory_seq_rm": (c_bool, (c_void_p, c_int32, c_int32, c_int32)),
    "llama_state_seq_get_size": (c_size_t, (c_void_p, c_int32)),
    "llama_state_seq_get_data": (c_size_t, (c_void_p, c_void_p, c_size_t, c_int32)),
    "llama_state_seq_set_data": (c_size_t, (c_void_p, c_void_p, c_size_t, c_int32)),
}


@functools.cache
def find_library() -> Any | None:
    """The library with its functions, or None where this host has none that can be used."""
    path = _installed()
    if path is None:
        return None
    try:
        library = ctypes.CDLL(str(path))
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as failure:
        logger.info("llama.cpp is not used: %s", failure)
        return None
    library.llama_log_set(_told, None)
    library.llama_backend_init()
    if not _is_as_tried(library):
        logger.warning("llama.cpp is not used: its parameters are other ones than were tried")
        return None
    return library


def _installed() -> Path | None:
    try:
        release = metadata.version(PACKAGE)
        found = importlib.util.find_spec(PACKAGE)
    except (metadata.PackageNotFoundError, ValueError):
        found, release = None, ""
    if found is None or found.origin is None:
        logger.info("llama.cpp is not used: %s is not installed", PACKAGE)
        return None
    if release not in TRIED_RELEASES or sys.platform != "linux":
        logger.info(
            "llama.cpp is not used: %s %s was not tried on %s", PACKAGE, release, sys.platform
        )
        return None
    return next(Path(found.origin).parent.glob(f"{PACKAGE}*.so"), None)


def _is_as_tried(library: Any) -> bool:
    context = library.llama_context_default_params()
    model = library.llama_model_default_params()
    return (
        all(context.get(place) == value for place, value in _CONTEXT_DEFAULTS.items())
        and model.get(GPU_LAYERS) == _ALL_GPU_LAYERS
    )


def _tell(level: int, text: bytes, _data: Any) -> None:
    if level in (_WARNING, _ERROR):
        logger.info("llama.cpp: %s", text.decode("utf-8", "replace").rstrip())


_told = _Log(_tell)
