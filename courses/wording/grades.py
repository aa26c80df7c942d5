"""How a cell of the gradebook says how a student stands at a step."""

from __future__ import annotations

from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from courses.selectors.gradebook import Cell
from courses.selectors.progress import Standing

STANDINGS: dict[str, str | Promise] = {
    Standing.PASSED: gettext_lazy("Passed"),
    Standing.EXEMPT: gettext_lazy("Exempt"),
    Standing.WORKING: gettext_lazy("In progress"),
    Standing.WAITING: gettext_lazy("Waits for a device"),
    Standing.AVAILABLE: gettext_lazy("Open"),
    Standing.LOCKED: gettext_lazy("Locked"),
}


class ShownCell(NamedTuple):
    """
    Attributes:
        mark: a standing, which the style sheet draws as a shape.
        points: as 0.5/1, or empty.
        words: what the shape says, for those who do not see it.
    """

    key: str
    mark: str
    points: str
    words: str
    is_late: bool
    is_decided: bool


def shown_cell(cell: Cell) -> ShownCell:
    if cell.standing is None:
        return ShownCell(
            cell.key, "", "", _("Not in this student's version"), is_late=False, is_decided=False
        )
    return ShownCell(
        cell.key,
        cell.standing.value,
        points_of(cell.score.points, cell.max_points) if cell.has_points else "",
        str(STANDINGS[cell.standing]),
        cell.is_late,
        cell.score.is_decided,
    )


def points_of(points: float, max_points: float) -> str:
    return f"{points:g}/{max_points:g}"
