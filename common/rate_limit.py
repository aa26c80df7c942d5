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
    tries = _allowed_tries(action, who, limit, period_seconds)
    cache.set(_key(action, who), [*tries, time.time()], timeout=period_seconds)


def check(action: str, *who: str, limit: int, period_seconds: int) -> None:
    """As consume, where a try counts only once it has failed.

    Raises:
        TooManyRequestsError: one more try would be more than `limit` within the period.
    """
    _allowed_tries(action, who, limit, period_seconds)


def _allowed_tries(
    action: str, who: tuple[str, ...], limit: int, period_seconds: int
) -> list[float]:
    now = time.time()
    counted = cache.get(_key(action, who), [])
    tries = [moment for moment in counted if now - period_seconds < moment <= now]
    if len(tries) < limit:
        return tries
    wait_seconds = max(1, math.ceil(tries[0] + period_seconds - now))
    sentence = ngettext(
        "Too many tries. Wait %(count)d second, then try again.",
        "Too many tries. Wait %(count)d seconds, then try again.",
        wait_seconds,
    )
    raise TooManyRequestsError(sentence % {"count": wait_seconds}, retry_after_seconds=wait_seconds)


def _key(action: str, who: tuple[str, ...]) -> str:
    digest = hashlib.sha256("\0".join((action, *who)).encode("utf-8", "surrogatepass")).hexdigest()
    return f"rate:{action}:{digest}"
