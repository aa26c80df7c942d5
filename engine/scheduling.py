"""Which of several jobs a device works on: the shortest rest first, and nobody waits for ever. Torch-free.

On one device, sharing its time would end all jobs late; the mean time to the end is least when the job with the least
work left goes first (Schrage 1968, "A proof of the optimality of the shortest remaining processing time discipline").
Ageing bounds what that costs a long job: a second of waiting counts like AGEING seconds of work done, so no job goes
first that comes later than a job's own work divided by AGEING. All that wait age alike: of the jobs that come sooner,
every shorter one may go first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

AGEING = 0.5

Job = TypeVar("Job")


@dataclass(slots=True)
class Queued(Generic[Job]):
    """A job that the device holds.

    Attributes:
        arrived: seconds of a monotonic clock.
        busy_seconds: for which the device has worked on it.
        is_told_to_wait: whether its reader was told that another job goes first.
    """

    job: Job
    arrived: float
    busy_seconds: float = 0.0
    is_told_to_wait: bool = False

    def waited_seconds(self, now: float) -> float:
        """Time since its arrival in which the device worked on something else."""
        return max(0.0, now - self.arrived - self.busy_seconds)

    def urgency(self, remaining_seconds: float, now: float) -> float:
        """The least goes first."""
        return remaining_seconds - AGEING * self.waited_seconds(now)


def most_urgent(queue: Iterable[tuple[Queued[Job], float]], now: float) -> Queued[Job]:
    """The job to work on next.

    Args:
        queue: each job with the seconds of work that it has left; at least one. Of two alike the first wins.
    """
    return min(queue, key=lambda item: (item[0].urgency(item[1], now), item[0].arrived))[0]


class Speed:
    """Tokens a second that the device has trained of late; halves the weight of the past every HALF_LIFE seconds."""

    HALF_LIFE = 30.0

    def __init__(self, first_guess: float = 300.0) -> None:
        self._seconds = 1.0
        self._tokens = first_guess

    def add(self, tokens: float, seconds: float) -> None:
        fade = 0.5 ** (seconds / self.HALF_LIFE)
        self._tokens = self._tokens * fade + tokens
        self._seconds = self._seconds * fade + seconds

    @property
    def tokens_per_second(self) -> float:
        return max(1e-6, self._tokens / self._seconds)
