"""How often one caller may do one thing; counted in the cache, so that it holds across web processes."""

from __future__ import annotations

import hashlib
import math
import time

from django.core.cache import cache
from django.utils.translation import ngettext

from common.errors import TooManyRequestsError


def consume(action: str, *who: str, limit: int, period_seconds: int) -> None:
    """Count one try.

    Raises:
        TooManyRequestsError: this is more than `limit` tries within the period.
    """
    digest = hashlib.sha256("\0".join((action, *who)).encode("utf-8", "surrogatepass")).hexdigest()
    key = f"rate:{action}:{digest}"
    now = time.time()
    tries = [moment for moment in cache.get(key, []) if now - period_seconds < moment <= now]
    if len(tries) >= limit:
        wait_seconds = max(1, math.ceil(tries[0] + period_seconds - now))
        sentence = ngettext(
            "Too many tries. Wait %(count)d second, then try again.",
            "Too many tries. Wait %(count)d seconds, then try again.",
            wait_seconds,
        )
        raise TooManyRequestsError(
            sentence % {"count": wait_seconds}, retry_after_seconds=wait_seconds
        )
    cache.set(key, [*tries, now], timeout=period_seconds)
