"""When each step of a job was done, counted in seconds of training.

The rows hold the moment at which a step was recorded. Between two of them may lie an evaluation, sample answers, or a
wait for another job's turn; and a resumed job records all its earlier steps again, at once. Neither is training.
"""

from __future__ import annotations

import statistics
from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

PAUSE_FACTOR = 3.0
LEAST_PAUSE_SECONDS = 0.25


class Moment(NamedTuple):
    """When a step was recorded; is_measured when its row was written again after an evaluation."""

    step: int
    at: datetime
    is_measured: bool


class TrainingClock:
    """Seconds of training at each step.

    Args:
        moments: by step, from step 1.
        started_at: when the first step began.
        resumed_step: up to this step the job only told again what it had done before.
    """

    def __init__(
        self, moments: Sequence[Moment], started_at: datetime | None, resumed_step: int = 0
    ) -> None:
        self.pace = median_pace(moments, after_step=resumed_step)
        self._steps = [0]
        self._seconds = [0.0]
        before = Moment(0, started_at, False) if started_at and not resumed_step else None
        for moment in moments:
            is_told_again = moment.step <= resumed_step
            self._add(moment, None if is_told_again else before)
            before = moment

    def _add(self, moment: Moment, before: Moment | None) -> None:
        expected = self.pace * (moment.step - self._steps[-1])
        spent = expected
        if before is not None and not moment.is_measured and before.step == self._steps[-1]:
            gap = max(0.0, (moment.at - before.at).total_seconds())
            is_pause = gap - expected > LEAST_PAUSE_SECONDS and gap > PAUSE_FACTOR * expected
            spent = expected if self.pace and is_pause else gap
        self._steps.append(moment.step)
        self._seconds.append(self._seconds[-1] + spent)

    @property
    def last_seconds(self) -> float:
        return self._seconds[-1]

    def seconds_at(self, step: float) -> float:
        """Seconds at a step, in proportion between two that were recorded."""
        index = bisect_left(self._steps, step)
        if index >= len(self._steps):
            return self._seconds[-1] + self.pace * (step - self._steps[-1])
        if self._steps[index] == step or index == 0:
            return self._seconds[index]
        low, high = self._steps[index - 1], self._steps[index]
        share = (step - low) / (high - low)
        return self._seconds[index - 1] + share * (self._seconds[index] - self._seconds[index - 1])


def median_pace(moments: Sequence[Moment], *, after_step: int = 0) -> float:
    """Seconds for one step, by the median of the steps that were recorded one after the other; 0 without any."""
    paces = [
        (later.at - earlier.at).total_seconds() / (later.step - earlier.step)
        for earlier, later in zip(moments, moments[1:], strict=False)
        if earlier.step > after_step and not later.is_measured
    ]
    return max(0.0, statistics.median(paces)) if paces else 0.0
