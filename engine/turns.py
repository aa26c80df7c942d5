"""Whether training or chats get the device next while both want it. Torch-free.

Fair queueing by deficit (Shreedhar and Varghese 1995): each step is charged with the time that it took, and chats owe
training what training's share of that time comes to. Two things bend the plain rule. Who waits for a first token goes
first as long as the debt is small, since reading a prompt takes much less time than drawing its answer. And a debt is
paid back little by little, so that nobody's answer stands still meanwhile.
"""

from __future__ import annotations

TRAINING_SHARE = 0.6
"""Of the device's time. More than half, so that a job takes less than twice as long although steps that follow other
work find the processor's caches cold."""

MOST_DEBT_SECONDS = 2.0
"""Training that chats may owe before even a first token waits: prompts of a dozen students who ask at once."""

PAYBACK = 2.0
"""While chats owe something, a step of theirs is followed by so many times the training that it costs."""


class Turns:
    """The account between training and chats.

    Args:
        training_share: of the time, between 0 and 1.
        most_debt_seconds: of training, beyond which newcomers wait like all others.

    Attributes:
        debt_seconds: of training that chats owe; below zero, what its last part took beyond that.
    """

    def __init__(
        self,
        training_share: float = TRAINING_SHARE,
        most_debt_seconds: float = MOST_DEBT_SECONDS,
    ) -> None:
        self._price = training_share / (1 - training_share)
        self._most_debt_seconds = most_debt_seconds
        self.debt_seconds = 0.0
        self._last_cost = 0.0
        self._paid_since = 0.0

    def chatted(self, seconds: float) -> None:
        """Chats had the device while a job waited for it."""
        self._last_cost = seconds * self._price
        self._paid_since = 0.0
        self.debt_seconds += self._last_cost

    def trained(self, seconds: float) -> None:
        """A job had the device; time in which no chat wanted it pays back too, and is not saved up."""
        self._paid_since += seconds
        if self.debt_seconds > 0:
            self.debt_seconds -= seconds

    def is_chat_next(self, *, has_newcomers: bool) -> bool:
        """Whether chats go next, where both want the device.

        Args:
            has_newcomers: whether somebody waits for a first token.
        """
        if has_newcomers:
            return self.debt_seconds < self._most_debt_seconds or self._is_paid(1.0)
        return self.debt_seconds <= 0 or self._is_paid(PAYBACK)

    def _is_paid(self, times: float) -> bool:
        """Whether the last step of chats was followed by so many times the training that it costs."""
        return self._paid_since >= times * self._last_cost
