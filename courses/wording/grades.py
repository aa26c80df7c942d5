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
    Standing.AVAILABLE: gettext_lazy("Not begun yet"),
    Standing.LOCKED: gettext_lazy("Locked"),
}


class Look(NamedTuple):
    """What a cell looks like; there are few of them in a whole table.

    Attributes:
        mark: a standing, which the style sheet draws as a shape.
        points: as 0.5/1, or empty.
        words: what the shape says, for those who do not see it.
    """

    mark: str
    points: str
    words: str
    is_late: bool
    is_decided: bool


def look_of(cell: Cell) -> Look:
    if cell.standing is None:
        words = _("Not in this student's version")
        return Look("", "", words, is_late=False, is_decided=False)
    # Who passed and was exempt afterwards has passed, but the cell says what counts.
    standing = Standing.EXEMPT if cell.is_exempt else cell.standing
    return Look(
        standing.value,
        points_of(cell.score.points, cell.max_points) if cell.has_points else "",
        str(STANDINGS[standing]),
        cell.is_late,
        cell.score.is_decided,
    )


def points_of(points: float, max_points: float) -> str:
    return f"{points:g}/{max_points:g}"
