"""The standings as a picture: a dot for each score, a bar for its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from chat.arena.standings import MEAN_SCORE, Standing
from common.sentences import joined
from training.plotting.scales import Scale, nice_ticks, plain_number

MAX_PLOTTED = 20
"""More make a picture that nobody takes in at once; the table has them all."""
MAX_PROJECTED = 10
"""So many fit on a wall."""


@dataclass(frozen=True, slots=True)
class PlotRow:
    """Positions are percentages of the width."""

    standing: Standing
    low: str
    high: str
    width: str
    score: str


@dataclass(frozen=True, slots=True)
class IntervalPlot:
    """Every number is text already, so no locale can change it."""

    rows: tuple[PlotRow, ...]
    ticks: tuple[tuple[str, str], ...]
    mean: str
    description: str


def plot_of(ranked: Sequence[Standing], *, limit: int = MAX_PLOTTED) -> IntervalPlot | None:
    """Of the first ones; None while nobody has a rank."""
    ranked = ranked[:limit]
    bounds = [bound for row in ranked if row.rank for bound in (row.rank.low, row.rank.high)]
    if not bounds:
        return None
    ticks = nice_ticks(max(*bounds, MEAN_SCORE), lowest=min(*bounds, MEAN_SCORE))
    scale = Scale(ticks[0], ticks[-1], tuple(ticks))
    return IntervalPlot(
        rows=tuple(_row(standing, scale) for standing in ranked),
        ticks=tuple((_percent(scale, tick), plain_number(tick)) for tick in ticks),
        mean=_percent(scale, MEAN_SCORE),
        description=_description(ranked),
    )


def _row(standing: Standing, scale: Scale) -> PlotRow:
    rank = standing.rank
    assert rank is not None
    width = 100 * (scale.share(rank.high) - scale.share(rank.low))
    return PlotRow(
        standing,
        low=_percent(scale, rank.low),
        high=_percent(scale, rank.high),
        width=f"{width:.2f}%",
        score=_percent(scale, rank.score),
    )


def _percent(scale: Scale, value: float) -> str:
    return f"{100 * scale.share(value):.2f}%"


def _description(ranked: Sequence[Standing]) -> str:
    return joined(
        _("%(name)s: %(score)d, between %(low)d and %(high)d.")
        % {
            "name": standing.entry.name,
            "score": standing.rank.score,
            "low": standing.rank.low,
            "high": standing.rank.high,
        }
        for standing in ranked
        if standing.rank is not None
    )
