"""The account between training and chats, over any lengths of their steps."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.turns import MOST_DEBT_SECONDS, PAYBACK, TRAINING_SHARE, Turns

PRICE = TRAINING_SHARE / (1 - TRAINING_SHARE)

parts = st.floats(0.001, 0.1)
steps = st.floats(0.01, 0.6)


@dataclass
class Ask:
    """What both sides would do next: a part of training, and a step of chats."""

    part: float
    step: float
    has_newcomers: bool


asks = st.lists(st.builds(Ask, parts, steps, st.booleans()), min_size=1, max_size=300)


def run(turns: Turns, wishes: list[Ask]) -> list[tuple[str, float]]:
    """Who had the device, and for how long, while both wanted it all the time."""
    had = []
    for wish in wishes:
        if turns.is_chat_next(has_newcomers=wish.has_newcomers):
            turns.chatted(wish.step)
            had.append(("chat", wish.step))
        else:
            turns.trained(wish.part)
            had.append(("train", wish.part))
    return had


def total(had: list[tuple[str, float]], side: str) -> float:
    return sum(seconds for name, seconds in had if name == side)


@settings(deadline=None)
@given(asks)
def test_training_keeps_its_share_but_for_a_bounded_debt(wishes: list[Ask]) -> None:
    had = run(Turns(), wishes)
    longest = max(wish.step for wish in wishes)
    owed = PRICE * total(had, "chat") - total(had, "train")
    assert owed <= MOST_DEBT_SECONDS + 2 * PRICE * longest + 1e-6


@settings(deadline=None)
@given(asks)
def test_chats_wait_no_longer_than_a_payback_of_their_last_step(wishes: list[Ask]) -> None:
    waited, last = 0.0, 0.0
    for side, seconds in run(Turns(), wishes):
        if side == "chat":
            waited, last = 0.0, seconds
        else:
            waited += seconds
            # What goes beyond it is the part that was under way.
            assert waited - seconds <= PAYBACK * PRICE * last + 1e-6


@settings(deadline=None)
@given(st.lists(st.tuples(parts, steps), min_size=1, max_size=300))
def test_without_newcomers_both_sides_have_their_share(
    wishes: list[tuple[float, float]],
) -> None:
    had = run(Turns(), [Ask(part, step, has_newcomers=False) for part, step in wishes])
    longest_part, longest_step = (max(wish[place] for wish in wishes) for place in (0, 1))
    owed = PRICE * total(had, "chat") - total(had, "train")
    assert -longest_part - 1e-6 <= owed <= PRICE * longest_step + 1e-6


@settings(deadline=None)
@given(st.floats(0.01, 0.6), st.integers(1, 50))
def test_newcomers_go_first_until_the_debt_is_at_its_limit(step: float, count: int) -> None:
    turns = Turns()
    wishes = [Ask(0.02, step, has_newcomers=True) for _ in range(count)]
    until = next(
        (place for place, (side, _) in enumerate(run(turns, wishes)) if side == "train"), count
    )
    assert until >= min(count, MOST_DEBT_SECONDS / (PRICE * step))


def test_a_debt_is_paid_back_by_training_that_no_chat_disturbs() -> None:
    turns = Turns()
    for _ in range(4):
        turns.chatted(0.5)
    assert turns.debt_seconds > MOST_DEBT_SECONDS
    assert not turns.is_chat_next(has_newcomers=True)
    for _ in range(200):
        turns.trained(0.02)
    assert -0.02 < turns.debt_seconds <= 0
    turns.chatted(0.1)
    # What was trained beyond the debt and the part under way is not saved up.
    assert turns.debt_seconds == pytest.approx(0.1 * PRICE, abs=0.02)
    assert not turns.is_chat_next(has_newcomers=False)
