"""What the list of jobs shows beside each job, in as many queries for twenty jobs as for one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from training.models import MetricPoint, TrainingJob

SPARKLINE_POINTS = 40
BOX_WIDTH, BOX_HEIGHT = 100.0, 24.0
"""Units of the drawing, which stretches to its place."""


@dataclass(frozen=True, slots=True)
class TagChoice:
    """A tag and how many jobs have it."""

    tag: str
    count: int


def tag_choices(jobs: Iterable[list[str]]) -> list[TagChoice]:
    """The tags of jobs, by their tag lists, the most used first."""
    counted = Counter(tag for tags in jobs for tag in tags)
    return [
        TagChoice(tag, count)
        for tag, count in sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    ]


def sparklines(jobs: Sequence[TrainingJob]) -> dict[UUID, str]:
    """The loss of each job as the path of a small drawing; a job with less than two points has none.

    The steps to read are named, so that a job of 20,000 steps costs as little as one of 40.
    """
    wanted = Q()
    for job in jobs:
        if job.current_step > 1:
            wanted |= Q(job_id=job.pk, step__in=_spread(job.current_step))
    if not wanted:
        return {}
    points: dict[UUID, list[tuple[int, float]]] = {}
    rows = MetricPoint.objects.filter(wanted, loss__isnull=False).order_by("job_id", "step")
    for job_id, step, loss in rows.values_list("job_id", "step", "loss"):
        assert loss is not None
        points.setdefault(job_id, []).append((step, loss))
    return {job_id: path(own) for job_id, own in points.items() if len(own) > 1}


def _spread(last: int) -> list[int]:
    """Steps from the first to the last, evenly spread."""
    if last <= SPARKLINE_POINTS:
        return list(range(1, last + 1))
    stride = (last - 1) / (SPARKLINE_POINTS - 1)
    return [1 + round(index * stride) for index in range(SPARKLINE_POINTS)]


def path(points: Sequence[tuple[int, float]]) -> str:
    """Points as an SVG path that fills the box: the highest loss at the top, the lowest at the bottom."""
    first, last = points[0][0], points[-1][0]
    losses = [loss for _step, loss in points]
    low, high = min(losses), max(losses)
    # A loss that stands still is a line in the middle.
    height, top = ((high - low), high) if high > low else (2.0, high + 1.0)
    return " ".join(
        f"{'L' if index else 'M'}{(step - first) / (last - first) * BOX_WIDTH:.1f} "
        f"{1 + (top - loss) / height * (BOX_HEIGHT - 2):.1f}"
        for index, (step, loss) in enumerate(points)
    )
