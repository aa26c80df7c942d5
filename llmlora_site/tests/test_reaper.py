"""Who is lost: told by a lease that stands still while the observer itself was awake."""

from __future__ import annotations

import uuid

import pytest
from django.conf import LazySettings

from llmlora_site.reaper import MOST_AT_ONCE, Held, Reaper


class Clock:
    """The observer's clock, moved by the test."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reaper(settings: LazySettings, clock: Clock) -> Reaper:
    settings.LEASE_SECONDS = 60
    return Reaper(clock)


def held(count: int = 1, token: uuid.UUID | None = None) -> Held:
    return Held(uuid.uuid4(), token or uuid.uuid4(), count)


def look(reaper: Reaper, clock: Clock, row: Held, *, seconds: int, every: int = 5) -> list[Held]:
    found: list[Held] = []
    for _ in range(seconds // every):
        clock.now += every
        found += reaper.lost([row])
    return found


def test_a_lease_that_stands_still_for_its_time_is_lost(reaper: Reaper, clock: Clock) -> None:
    row = held()
    assert reaper.lost([row]) == []
    assert look(reaper, clock, row, seconds=55) == []
    clock.now += 5
    assert reaper.lost([row]) == [row]


def test_a_lease_that_moves_is_never_lost(reaper: Reaper, clock: Clock) -> None:
    token = uuid.uuid4()
    for count in range(40):
        clock.now += 5
        assert reaper.lost([held(count // 8, token)]) == []


def test_nobody_is_lost_after_the_observer_slept(reaper: Reaper, clock: Clock) -> None:
    """The laptop was closed for ten minutes, or the database was away: no worker could write either."""
    row = held()
    reaper.lost([row])
    clock.now += 600
    assert reaper.lost([row]) == []
    assert look(reaper, clock, row, seconds=55) == []
    clock.now += 5
    assert reaper.lost([row]) == [row]


def test_a_new_lease_of_the_same_job_starts_anew(reaper: Reaper, clock: Clock) -> None:
    look(reaper, clock, held(), seconds=55)
    clock.now += 5
    assert reaper.lost([held()]) == []


def test_a_full_class_is_taken_back_by_and_by(reaper: Reaper, clock: Clock) -> None:
    rows = [held() for _ in range(MOST_AT_ONCE + 3)]
    reaper.lost(rows)
    for _ in range(11):
        clock.now += 5
        reaper.lost(rows)
    clock.now += 5
    first = reaper.lost(rows)
    assert first == rows[:MOST_AT_ONCE]
    clock.now += 5
    assert reaper.lost(rows[MOST_AT_ONCE:]) == rows[MOST_AT_ONCE:]
