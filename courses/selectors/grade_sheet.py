"""The gradebook as rows of a table, with names that a program can rely on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from courses.selectors.gradebook import Cell, Gradebook, Row

FIRST_COLUMNS = ("username", "name", "course")
LAST_COLUMNS = ("points", "max_points", "percent_done", "state")
EXEMPT = "exempt"


def sheet_rows(books: Sequence[Gradebook]) -> Iterator[list[object]]:
    """A row for each student and course; the steps of the other courses are empty in it."""
    yield [
        *FIRST_COLUMNS,
        *(f"{book.course.slug}/{column.key}" for book in books for column in book.columns),
        *LAST_COLUMNS,
    ]
    for book in books:
        for row in book.rows:
            yield [
                row.username,
                row.name,
                book.course.slug,
                *(value for other in books for value in _step_values(other, book, row)),
                *_last_values(row),
            ]


def _step_values(other: Gradebook, book: Gradebook, row: Row) -> list[object]:
    if other is not book or not row.cells:
        return [""] * len(other.columns)
    return [_value(cell) for cell in row.cells]


def _value(cell: Cell) -> object:
    if cell.is_exempt:
        return EXEMPT
    return cell.score.points if cell.standing is not None and cell.max_points else ""


def _last_values(row: Row) -> list[object]:
    if row.enrolment_id is None:
        return ["", "", "", "not_begun"]
    state = "complete" if row.is_complete else "under_way"
    return [row.total, row.max_total, row.percent, state]
