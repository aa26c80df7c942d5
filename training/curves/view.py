"""How a person looks at a job, as its address says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, cast, get_args
from urllib.parse import urlencode

XAxis = Literal["step", "epoch", "time"]
YScale = Literal["linear", "log"]


@dataclass(frozen=True, slots=True)
class CurveView:
    """What the axes show, and for whom the page is: one reader, or a class that looks at a wall.

    Page, poll and socket read it from their query strings, so that a reload and every update show the same.
    """

    x: XAxis = "step"
    y: YScale = "linear"
    is_projector: bool = False

    @classmethod
    def from_query(cls, query: Mapping[str, Any]) -> Self:
        """The view that a query string asks for; what it does not know is as usual."""
        x, y = query.get("x"), query.get("y")
        return cls(
            x=cast("XAxis", x) if x in get_args(XAxis) else "step",
            y=cast("YScale", y) if y in get_args(YScale) else "linear",
            is_projector=query.get("view") == "projector",
        )

    def changed(self, **changes: Any) -> Self:
        return replace(self, **changes)

    @property
    def parameters(self) -> str:
        """The query string without its question mark; empty for the usual view."""
        chosen = {
            "x": "" if self.x == "step" else self.x,
            "y": "" if self.y == "linear" else self.y,
            "view": "projector" if self.is_projector else "",
        }
        return urlencode({name: value for name, value in chosen.items() if value})

    @property
    def query(self) -> str:
        """What is appended to an address; empty for the usual view."""
        return f"?{self.parameters}" if self.parameters else ""
