"""Strengths and ranks from duels, against known cases and against a true order that is known because it is made up."""

from __future__ import annotations

import math
import random
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.arena.pairing import choose_pair
from chat.arena.rating import PRIOR_DUELS, Outcome, connected, fit, ranks, win_share


def simulate(
    strengths: list[float], votes: int, draw: random.Random, *, ties: float = 0.0
) -> tuple[Outcome, ...]:
    """What so many votes on random pairs would say; `ties` is the share of duels that end so."""
    wins = {pair: [0.0, 0.0] for pair in combinations(range(len(strengths)), 2)}
    for _vote in range(votes):
        low, high = pair = sorted_pair(draw, len(strengths))
        if draw.random() < ties:
            wins[pair][0] += 0.5
            wins[pair][1] += 0.5
            continue
        is_low = draw.random() < win_share(strengths[low] - strengths[high])
        wins[pair][0 if is_low else 1] += 1
    return tuple(Outcome(*pair, *won) for pair, won in wins.items() if sum(won))


def sorted_pair(draw: random.Random, count: int) -> tuple[int, int]:
    low, high = sorted(draw.sample(range(count), 2))
    return low, high


# --- known cases ------------------------------------------------------------------------------------


def test_without_a_duel_all_are_equal() -> None:
    fitted = fit(3, ())
    assert fitted.strengths == (0.0, 0.0, 0.0)
    assert ranks(fitted, [0, 1, 2]) == dict.fromkeys(range(3), (1, 3))
    assert fit(0, ()).strengths == ()


def test_two_entries_have_the_odds_of_their_wins() -> None:
    """With two, the likeliest odds are the wins of the one to those of the other, but for the weak prior."""
    fitted = fit(2, (Outcome(0, 1, 300.0, 100.0),))
    difference = fitted.strengths[0] - fitted.strengths[1]
    assert difference == pytest.approx(math.log(3), abs=0.01)
    # The textbook's standard error of a log odds: sqrt(1/300 + 1/100).
    low, high = fitted.interval(0)
    assert (high - low) / 2 == pytest.approx(1.96 * math.sqrt(1 / 300 + 1 / 100) / 2, rel=0.02)


def test_the_fit_is_the_top_of_the_likelihood() -> None:
    """Every entry has as many wins as its strength lets expect, the prior's half duel included."""
    outcomes = simulate([1.0, 0.4, 0.0, -1.2], 200, random.Random(5), ties=0.2)
    powers = [math.exp(strength) for strength in _anchored(outcomes, 4)]
    for entry in range(4):
        won = PRIOR_DUELS / 2
        expected = PRIOR_DUELS * powers[entry] / (powers[entry] + 1)
        for outcome in outcomes:
            if entry in (outcome.low, outcome.high):
                other = outcome.high if entry == outcome.low else outcome.low
                won += outcome.low_wins if entry == outcome.low else outcome.high_wins
                expected += outcome.duels * powers[entry] / (powers[entry] + powers[other])
        assert won == pytest.approx(expected, abs=1e-6)


def _anchored(outcomes: tuple[Outcome, ...], count: int) -> list[float]:
    """The strengths on the prior's own scale: the one shift at which all virtual duels are balanced."""
    strengths = fit(count, outcomes).strengths
    low, high = -20.0, 20.0
    for _halving in range(100):
        middle = (low + high) / 2
        excess = sum(win_share(strength + middle) - 0.5 for strength in strengths)
        low, high = (low, middle) if excess > 0 else (middle, high)
    return [strength + low for strength in strengths]


def test_a_win_against_a_strong_one_counts_more() -> None:
    """Entries 2 and 3 each won five of ten: one of them against the strong, the other against the weak."""
    outcomes = (
        Outcome(0, 1, 18.0, 2.0),
        Outcome(0, 2, 5.0, 5.0),
        Outcome(1, 3, 5.0, 5.0),
    )
    fitted = fit(4, outcomes)
    assert fitted.strengths[2] > fitted.strengths[3] + 1


def test_ties_alone_make_equals_and_narrow_the_interval() -> None:
    few, many = (fit(2, (Outcome(0, 1, half, half),)) for half in (2.0, 50.0))
    assert few.strengths == many.strengths == (0.0, 0.0)
    assert many.interval(0)[1] < few.interval(0)[1] / 3


def test_who_always_wins_has_a_finite_strength_and_a_wide_interval() -> None:
    low, high = fit(2, (Outcome(0, 1, 10.0, 0.0),)).interval(0)
    assert all(map(math.isfinite, (low, high)))
    assert high - low > 2


def test_ranks_say_only_what_the_duels_tell_apart() -> None:
    outcomes = (Outcome(0, 1, 60.0, 60.0), Outcome(0, 2, 110.0, 10.0), Outcome(1, 2, 110.0, 10.0))
    assert ranks(fit(3, outcomes), [0, 1, 2]) == {0: (1, 2), 1: (1, 2), 2: (3, 3)}


def test_only_linked_entries_can_be_compared() -> None:
    outcomes = (Outcome(0, 1, 3.0, 1.0), Outcome(1, 4, 2.0, 2.0), Outcome(2, 3, 9.0, 1.0))
    assert connected(5, outcomes) == [0, 1, 4]
    assert connected(0, ()) == []


# --- a true order -----------------------------------------------------------------------------------


def test_the_true_order_is_found_again() -> None:
    truth = [1.5, 0.9, 0.3, -0.3, -0.9, -1.5]
    fitted = fit(6, simulate(truth, 6_000, random.Random(11), ties=0.1))
    order = sorted(range(6), key=lambda entry: -fitted.strengths[entry])
    assert order == list(range(6))
    assert ranks(fitted, range(6)) == {entry: (entry + 1, entry + 1) for entry in range(6)}


@pytest.mark.parametrize(("count", "votes"), [(4, 60), (8, 160), (12, 600)])
def test_intervals_hold_the_truth_in_95_of_100_cases(count: int, votes: int) -> None:
    draw = random.Random(count)
    held = ranked = total = 0
    for _class in range(60):
        truth = [draw.gauss(0, 0.8) for _entry in range(count)]
        mean = sum(truth) / count
        fitted = fit(count, simulate(truth, votes, draw))
        found = ranks(fitted, range(count))
        order = sorted(range(count), key=lambda entry: -truth[entry])
        for entry in range(count):
            low, high = fitted.interval(entry)
            best, worst = found[entry]
            held += low <= truth[entry] - mean <= high
            ranked += best <= order.index(entry) + 1 <= worst
            total += 1
    # Of so many, 95 % give or take 3.5 % is what chance allows.
    assert 0.915 <= held / total <= 0.985
    assert ranked / total >= 0.95


def test_sixty_adapters_and_five_thousand_votes_are_fitted() -> None:
    strengths = [index / 30 for index in range(60)]
    found = ranks(fit(60, simulate(strengths, 5_000, random.Random(3))), range(60))
    assert found[59][0] < found[0][0]


wins = st.floats(min_value=0, max_value=50, allow_nan=False)


@given(
    st.integers(min_value=2, max_value=7).flatmap(
        lambda count: st.tuples(
            st.just(count),
            st.lists(
                st.tuples(st.integers(0, count - 2), st.integers(1, count - 1), wins, wins).filter(
                    lambda row: row[0] < row[1]
                ),
                max_size=10,
                unique_by=lambda row: row[:2],
            ),
        )
    )
)
def test_whatever_the_votes_strengths_are_finite_and_ranks_fit(
    case: tuple[int, list[tuple[int, int, float, float]]],
) -> None:
    count, rows = case
    fitted = fit(count, tuple(Outcome(*row) for row in sorted(rows)))
    assert all(map(math.isfinite, fitted.strengths))
    assert math.fsum(fitted.strengths) == pytest.approx(0, abs=1e-6)
    for best, worst in ranks(fitted, range(count)).values():
        assert 1 <= best <= worst <= count


# --- pairs ------------------------------------------------------------------------------------------


def drawn(times: int, **changes: object) -> list[tuple[int, int]]:
    draw = random.Random(7)
    known = {"met": {}, "own": {}, "strengths": [0.0] * 4} | changes
    return [choose_pair([0, 1, 2, 3], **known, draw=draw) for _time in range(times)]  # type: ignore[arg-type]


def test_each_adapter_stands_first_as_often_as_second() -> None:
    pairs = drawn(4_000)
    for entry in range(4):
        first = sum(pair[0] == entry for pair in pairs)
        second = sum(pair[1] == entry for pair in pairs)
        assert first / (first + second) == pytest.approx(0.5, abs=0.04)
    assert all(one != other for one, other in pairs)


def test_pairs_that_met_seldom_and_near_ones_come_more_often() -> None:
    often = drawn(2_000, met={(0, 1): 30.0})
    assert sum({0, 1} == set(pair) for pair in often) < 40
    far = drawn(2_000, strengths=[4.0, 0.0, 0.0, 0.0])
    assert sum(0 in pair for pair in far) < sum(1 in pair for pair in far) / 3


def test_a_pair_on_which_the_voter_said_enough_comes_last() -> None:
    said = {pair: 3 for pair in combinations(range(4), 2) if pair != (2, 3)}
    assert sum(set(pair) == {2, 3} for pair in drawn(300, own=said)) > 290
    # Where nothing else is left it still comes: the person may go on, and learns that it does not weigh more.
    assert drawn(5, own=dict.fromkeys(combinations(range(4), 2), 9))
