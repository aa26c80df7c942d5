"""Which running work has lost its worker, judged by our own monotonic clock alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings

MOST_AT_ONCE = 5
"""In one look: after an outage everything looks lost, and a whole class that starts again at once would be next."""


@dataclass(frozen=True, slots=True)
class Held:
    """Running work as its row says."""

    pk: UUID
    token: UUID
    lease_count: int


class Reaper:
    """Finds leases that do not move for LEASE_SECONDS, so that no difference between two clocks matters.

    A long time since its own last look says that the machine slept or the database was away: then nobody could write,
    and what stands still proves nothing yet.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # (lease token) -> (lease count, when it was first seen at that count)
        self._seen: dict[UUID, tuple[int, float]] = {}
        self._looked_at = float("-inf")

    def lost(self, running: Iterable[Held]) -> list[Held]:
        """What is lost of all that runs; at most MOST_AT_ONCE, the rest with the next looks."""
        now = self._clock()
        has_slept = now - self._looked_at > settings.LEASE_SECONDS / 2
        before = {} if has_slept else self._seen
        self._looked_at, self._seen = now, {}
        found = []
        for held in running:
            count, since = before.get(held.token, (held.lease_count, now))
            if count != held.lease_count:
                since = now
            self._seen[held.token] = (held.lease_count, since)
            if now - since >= settings.LEASE_SECONDS:
                found.append(held)
        return found[:MOST_AT_ONCE]
