"""What the address of a live page of a class asks for; the page, the poll and the socket read it alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self
from urllib.parse import urlencode

from courses.instructor.frame import PROJECTED
from courses.selectors.live import Show, Sort


@dataclass(frozen=True, slots=True)
class LiveView:
    """
    Attributes:
        course: slug of one of the class's courses; empty for that with the newest activity.
    """

    course: str = ""
    sort: Sort = Sort.NAME
    show: Show = Show.ALL
    is_projected: bool = False

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Self:
        """Unknown values count as none."""
        sorts, shows = {sort.value: sort for sort in Sort}, {show.value: show for show in Show}
        return cls(
            course=query.get("course", ""),
            sort=sorts.get(query.get("sort", ""), Sort.NAME),
            show=shows.get(query.get("show", ""), Show.ALL),
            is_projected=query.get(PROJECTED) == "1",
        )

    def changed(self, **changes: Any) -> str:
        """The query of the same page with something else."""
        return replace(self, **changes).query

    @property
    def parameters(self) -> str:
        values = {
            "course": self.course,
            "sort": "" if self.sort == Sort.NAME else self.sort.value,
            "show": "" if self.show == Show.ALL else self.show.value,
            PROJECTED: "1" if self.is_projected else "",
        }
        return urlencode({name: value for name, value in values.items() if value})

    @property
    def query(self) -> str:
        return f"?{self.parameters}"
