"""The whole roster as a table, for a file."""

from __future__ import annotations

from datetime import datetime, tzinfo

from accounts.models import Cohort
from courses.selectors.class_time import zone_of
from courses.selectors.pinned import PinnedCourse
from courses.selectors.roster import (
    RosterFilters,
    RosterRow,
    expected_people,
    members_of,
    rows_of,
)

Table = list[list[object]]
# The first four are those that an import reads; the words stand for programs and never change.
COLUMNS = ("email", "username", "name", "role", "state", "joined", "last_active")


def roster_table(cohort: Cohort, courses: list[PinnedCourse], names: dict[int, str]) -> Table:
    """Members first, then who is expected; in as many queries for a large class as for a small one."""
    zone = zone_of(cohort)
    members = list(members_of(cohort, RosterFilters(), is_projected=False))
    heading: list[object] = [*COLUMNS]
    for course in courses:
        slug = course.row.course.slug
        heading += [f"{slug}_percent", f"{slug}_due"]
    table: Table = [heading]
    table += [_line(row, zone) for row in rows_of(cohort, courses, members, names)]
    for entry in expected_people(cohort):
        table.append([entry.email, entry.username, entry.name, entry.role, "expected"])
    return table


def _line(row: RosterRow, zone: tzinfo) -> list[object]:
    member, user = row.member, row.member.user
    line: list[object] = [user.email, user.username, row.name, member.role, "member"]
    line += [_moment(member.created_at, zone), _moment(row.active_at, zone)]
    for cell in row.cells:
        line += [cell.percent, _moment(cell.due.at if cell.due else None, zone)]
    return line


def _moment(moment: datetime | None, zone: tzinfo) -> str:
    return moment.astimezone(zone).isoformat(timespec="minutes") if moment else ""
