"""What is odd about a dataset and yet no reason to refuse it; stored with the version as codes and numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

LINES_PER_ISSUE = 10
Severity = Literal["info", "warning"]


@dataclass(slots=True)
class Issue:
    """One kind of oddity.

    Attributes:
        code: stable name; `datasets_app.sentences` words it.
        count: how many records have it.
        lines: the first of them.
        params: values of its sentence.
    """

    severity: Severity
    code: str
    count: int = 0
    lines: list[int] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)

    def add(self, line: int) -> None:
        self.count += 1
        if len(self.lines) < LINES_PER_ISSUE:
            self.lines.append(line)

    def as_dict(self) -> dict[str, Any]:
        return {
            "severity": self.severity,
            "code": self.code,
            "count": self.count,
            "lines": self.lines,
            "params": self.params,
        }
