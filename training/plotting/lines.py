"""Lines through many points: smoothing, and fewer points of the same shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

MIN_POINTS_TO_SMOOTH = 8
MAX_REACH = 25

Point = tuple[float, float]


def smooth(points: Sequence[Point]) -> list[Point]:
    """The mean of each point and its neighbours.

    Both sides of the window are equal, so it does not lag behind a falling curve; only the last points, which would
    repeat the noise, look further back than ahead. Too few points give none: they say more than their mean.
    """
    count = len(points)
    if count < MIN_POINTS_TO_SMOOTH:
        return []
    reach = min(MAX_REACH, max(2, count // 16))
    sums = [0.0, *accumulate(y for _x, y in points)]
    smoothed = []
    for index, (x, _y) in enumerate(points):
        before = min(reach, index)
        after = min(before, count - 1 - index)
        mean = (sums[index + after + 1] - sums[index - before]) / (before + after + 1)
        smoothed.append((x, mean))
    return smoothed


def downsample(points: Sequence[Point], limit: int) -> list[Point]:
    """At most limit points that keep the shape: largest-triangle-three-buckets (Steinarsson 2013, section 4.2).

    The first and last point stay; from each bucket between them stays the point that spans the largest triangle
    with the point kept before and the mean of the next bucket.
    """
    if len(points) <= limit:
        return list(points)
    width = (len(points) - 2) / (limit - 2)
    edges = [1 + round(index * width) for index in range(limit - 1)]
    kept = [points[0]]
    for start, end, after in zip(edges, edges[1:], [*edges[2:], len(points)], strict=False):
        following = points[end:after] or points[-1:]
        mean_x = sum(x for x, _ in following) / len(following)
        mean_y = sum(y for _, y in following) / len(following)
        kept.append(
            max(points[start:end], key=lambda point: _area(kept[-1], point, (mean_x, mean_y)))
        )
    kept.append(points[-1])
    return kept


def _area(a: Point, b: Point, c: Point) -> float:
    return abs((a[0] - c[0]) * (b[1] - a[1]) - (a[0] - b[0]) * (c[1] - a[1]))


def finite(points: Sequence[Point]) -> list[Point]:
    return [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
