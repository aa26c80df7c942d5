"""How much one dataset may hold. The numbers that an owner may change come from the settings."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

MAX_RECORD_BYTES = 64 * 1024
"""A record of this size is already many times longer than any example that is trained on."""

MAX_LINES = 2_000_000
"""Bounds the time that a file of nothing but line breaks can take."""

MAX_DEPTH = 64
"""Our shapes need three levels; the JSON reader gives up near a thousand."""


@dataclass(frozen=True, slots=True)
class Limits:
    upload_bytes: int
    examples: int

    @classmethod
    def from_settings(cls) -> Limits:
        return cls(upload_bytes=settings.MAX_UPLOAD_BYTES, examples=settings.MAX_EXAMPLES)
