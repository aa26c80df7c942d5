"""How much a room of chats may take of its device."""

from __future__ import annotations

from dataclasses import dataclass

from engine.models.devices import Device, memory_report

MAX_ROWS = {"cpu": 32, "cuda": 128, "mps": 32}
"""Answers drawn at once: beyond it every answer slows down, and waiting in order is kinder."""

READ_TOKENS = {"cpu": 256, "cuda": 4096, "mps": 1024}
"""Prompt tokens read in one pass: part of a second on a CPU, so that other work and a cancel get in between."""

_MOST_PREFIX_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RoomLimits:
    """Limits of one room.

    Attributes:
        max_rows: answers that are read and drawn at once; others wait.
        read_tokens: most prompt tokens of one pass.
        key_value_bytes: for the conversations at hand; one always fits.
        adapter_bytes: for adapters, beyond which those that nobody uses leave.
        prefix_bytes: for remembered beginnings of conversations.
    """

    max_rows: int = 32
    read_tokens: int = 256
    key_value_bytes: int = 2 * 1024**3
    adapter_bytes: int = 1024**3
    prefix_bytes: int = _MOST_PREFIX_BYTES

    @classmethod
    def of(cls, device: Device) -> RoomLimits:
        """Shares of the memory that the device has free now."""
        free = memory_report(device).available_bytes
        return cls(
            MAX_ROWS[device.kind],
            READ_TOKENS[device.kind],
            key_value_bytes=free // 4,
            adapter_bytes=free // 8,
            prefix_bytes=min(free // 16, _MOST_PREFIX_BYTES),
        )
