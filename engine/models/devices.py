"""Which device and number format the engine computes in, and how much memory it has. One device per process.

Rules: float32 on CPUs (bfloat16 is emulated there) and on Apple GPUs; on CUDA a bfloat16 base model under float32
adapters where the card computes bfloat16, float32 elsewhere; never float16, whose range makes gradients vanish. The
CUDA and Apple paths are written after the libraries' documentation and have not been run on such devices.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from engine.errors import UnsupportedModelError

logger = logging.getLogger(__name__)

DEVICE_VARIABLE = "LLMLORA_DEVICE"
DEVICE_KINDS = ("cpu", "cuda", "mps")

MICRO_BATCH_TOKENS = {"cpu": 1024, "cuda": 16384, "mps": 4096}
"""Most tokens of one forward and backward pass: beyond it the products gain no speed. Memory may allow fewer."""

_RESET_PEAK = "5"  # proc(5), /proc/pid/clear_refs

Attention = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True, slots=True)
class Device:
    """Where and in what format the engine computes.

    Attributes:
        kind: cpu, cuda or mps.
        dtype: of the base model; adapters are always float32.
        name: of the hardware, for people.
        attention: transformers' name of the attention implementation.
    """

    kind: str
    dtype: torch.dtype
    name: str
    attention: str = "sdpa"

    @property
    def torch_device(self) -> torch.device:
        return torch.device(self.kind)

    @property
    def dtype_name(self) -> str:
        return str(self.dtype).removeprefix("torch.")

    @property
    def micro_batch_tokens(self) -> int:
        return MICRO_BATCH_TOKENS[self.kind]


@dataclass(frozen=True, slots=True)
class MemoryReport:
    """Bytes of the memory that the base model lives in."""

    total_bytes: int
    available_bytes: int


def choose_device(wanted: str | None = None) -> Device:
    """The device of this process: `wanted`, else LLMLORA_DEVICE, else the best one present.

    Raises:
        UnsupportedModelError: the wanted device does not exist here.
    """
    wanted = (
        wanted
        or os.environ.get(DEVICE_VARIABLE)
        or best_kind(has_cuda=torch.cuda.is_available(), has_mps=torch.backends.mps.is_available())
    )
    if wanted not in DEVICE_KINDS:
        raise UnsupportedModelError(f"{DEVICE_VARIABLE}={wanted}", device=wanted)
    if wanted == "cuda":
        return _cuda_device()
    if wanted == "mps":
        return _mps_device()
    return Device("cpu", torch.float32, _processor_name())


def best_kind(*, has_cuda: bool, has_mps: bool) -> str:
    """The device taken when nobody asks for one."""
    if has_cuda:
        return "cuda"
    return "mps" if has_mps else "cpu"


def _cuda_device() -> Device:
    if not torch.cuda.is_available():
        raise UnsupportedModelError("no CUDA device", device="cuda")
    has_bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
    dtype = torch.bfloat16 if has_bfloat16 else torch.float32
    return Device("cuda", dtype, torch.cuda.get_device_name())


def _mps_device() -> Device:
    if not torch.backends.mps.is_available():
        raise UnsupportedModelError("no Apple GPU", device="mps")
    is_causal = all(
        attention_is_causal(attention, torch.device("mps"), torch.float32) for attention in WAYS
    )
    if not is_causal:
        logger.warning("fused attention on this Apple GPU looks ahead; using the plain one")
    return Device("mps", torch.float32, _processor_name(), "sdpa" if is_causal else "eager")


def attention_is_causal(attention: Attention, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether no position's output depends on a later position.

    Some releases of the Apple backend dropped the causal mask of the fused kernel; training then learns from the
    answer it should predict, with a fine-looking loss.

    Args:
        attention: causal self-attention on query, key and value of shape (batch, heads, tokens, head_size).
    """
    generator = torch.Generator().manual_seed(0)
    shape = (1, 2, 24, 32)
    query, key, value = (torch.randn(shape, generator=generator) for _ in range(3))
    changed_key, changed_value = key.clone(), value.clone()
    changed_key[:, :, -1] += 1.0
    changed_value[:, :, -1] += 1.0
    before = attention(*(t.to(device, dtype) for t in (query, key, value)))
    after = attention(*(t.to(device, dtype) for t in (query, changed_key, changed_value)))
    return torch.equal(before[:, :, :-1].cpu(), after[:, :, :-1].cpu())


def _library_attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)


def _masked_attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """The same through an explicit mask, as examples behind a shared prefix are computed."""
    width = query.shape[-2]
    mask = torch.full((width, width), float("-inf"), device=query.device).triu(1)
    return torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)


WAYS: tuple[Attention, ...] = (_library_attention, _masked_attention)
"""How the library's fused attention is called."""


def _glibc_trim() -> Callable[[int], int] | None:
    """The function of the GNU C library that gives free pages back (malloc_trim(3)); None elsewhere."""
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)


_trim = _glibc_trim()


def set_threads() -> None:
    """One pool of threads inside operations and none between them: the loop runs one operation at a time.

    The size of the pool is torch's choice (the physical cores) or OMP_NUM_THREADS.
    """
    try:
        torch.set_num_interop_threads(1)
    except RuntimeError:
        logger.debug("the threads between operations are already set")


def wait_for(device: Device) -> None:
    """Until what was asked of it is done: GPUs are told what to do and go on by themselves."""
    if device.kind == "cuda":
        torch.cuda.synchronize()
    elif device.kind == "mps":
        torch.mps.synchronize()


def memory_report(device: Device) -> MemoryReport:
    """Total and free bytes of the device's memory."""
    if device.kind == "cuda":
        free, total = torch.cuda.mem_get_info()
        return MemoryReport(total, free)
    memory = psutil.virtual_memory()
    if device.kind == "mps":
        total = int(torch.mps.recommended_max_memory())
        return MemoryReport(total, max(0, total - int(torch.mps.driver_allocated_memory())))
    return MemoryReport(memory.total, memory.available)


def reset_peak_memory(device: Device) -> None:
    """Give back what is not in use, and let peak_memory_bytes count from here where the system can."""
    free_cached_memory(device)
    if device.kind == "cuda":
        torch.cuda.reset_peak_memory_stats()
    elif device.kind == "cpu" and sys.platform == "linux":
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text(_RESET_PEAK, encoding="ascii")


def peak_memory_bytes(device: Device) -> int:
    """Most bytes held since the last reset: of the device on CUDA, of the process on CPUs; on Apple GPUs, held now."""
    if device.kind == "cuda":
        return int(torch.cuda.max_memory_allocated())
    if device.kind == "mps":
        return int(torch.mps.driver_allocated_memory())
    return _peak_resident_bytes()


def free_cached_memory(device: Device) -> None:
    """Give memory that the allocator keeps for later back to the device."""
    if device.kind == "cuda":
        torch.cuda.empty_cache()
    elif device.kind == "mps":
        torch.mps.empty_cache()
    elif _trim is not None:
        # The C library keeps freed pages between those in use, half a gigabyte after one job.
        _trim(0)


def is_out_of_memory(failure: BaseException) -> bool:
    """Whether an exception means that the device or the host has no memory left."""
    if isinstance(failure, MemoryError | torch.OutOfMemoryError):
        return True
    # The CPU and Apple allocators raise a bare RuntimeError.
    words = ("can't allocate memory", "out of memory", "not enough memory")
    return isinstance(failure, RuntimeError) and any(word in str(failure) for word in words)


def _peak_resident_bytes() -> int:
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    elif sys.platform == "linux":
        # Its own peak, which can be reset; the one of getrusage can not.
        return _status_bytes("VmHWM")
    else:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, others KiB


def _status_bytes(name: str) -> int:
    """A size of this process as the kernel tells it (proc(5))."""
    with Path("/proc/self/status").open(encoding="ascii") as lines:
        line = next(line for line in lines if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def _processor_name() -> str:
    if sys.platform == "linux":
        try:
            with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
                for line in lines:
                    if line.startswith("model name"):
                        return line.partition(":")[2].strip()
        except OSError:
            logger.debug("/proc/cpuinfo can not be read")
    return platform.processor() or platform.machine()
