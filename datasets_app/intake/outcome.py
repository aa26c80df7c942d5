"""The outcome of reading a file: what it is, what was found, and whether it can be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from datasets_app.intake.findings import Finding
from datasets_app.intake.mapping import ColumnMapping
from engine.data.records import DatasetType

Verdict = Literal["ready", "ready_but", "not_usable"]


@dataclass(slots=True)
class Outcome:
    """What is known after reading.

    Attributes:
        rows_read: records, good or bad; accepted are the good ones, written as JSON lines.
        columns: their names, as far as they were seen.
        samples: the first records as they came, for choosing columns.
        is_partial: the reading ended at its budget, so the counts are of the beginning only.
    """

    dataset_type: DatasetType | None = None
    rows_read: int = 0
    accepted: int = 0
    character_count: int = 0
    findings: list[Finding] = field(default_factory=list)
    statistics: dict[str, Any] = field(default_factory=dict)
    source_format: str = ""
    source_encoding: str = ""
    is_packed: bool = False
    columns: list[str] = field(default_factory=list)
    mapping: ColumnMapping | None = None
    samples: list[dict[str, Any]] = field(default_factory=list)
    is_partial: bool = False

    @property
    def example_count(self) -> int:
        return self.accepted

    @property
    def rejected(self) -> int:
        return self.rows_read - self.accepted

    @property
    def errors(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.severity == "error"]

    @property
    def is_clean(self) -> bool:
        """Whether every row can be used."""
        return bool(self.accepted) and not self.errors

    @property
    def can_skip(self) -> bool:
        """Whether something is left when the rows with faults are left out."""
        return bool(self.accepted) and not any(finding.is_fatal for finding in self.findings)

    @property
    def verdict(self) -> Verdict:
        return verdict_of(self.findings, is_usable=self.is_clean)

    def as_dict(self) -> dict[str, Any]:
        return {
            "dataset_type": self.dataset_type,
            "rows_read": self.rows_read,
            "accepted": self.accepted,
            "character_count": self.character_count,
            "findings": [finding.as_dict() for finding in self.findings],
            "statistics": self.statistics,
            "source_format": self.source_format,
            "source_encoding": self.source_encoding,
            "is_packed": self.is_packed,
            "columns": self.columns,
            "mapping": self.mapping.as_dict() if self.mapping else {},
            "samples": self.samples,
            "is_partial": self.is_partial,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Outcome:
        values = dict(stored)
        values["findings"] = [Finding.from_dict(finding) for finding in stored["findings"]]
        values["mapping"] = ColumnMapping.from_dict(stored["mapping"])
        return cls(**cast(Any, values))


def verdict_of(findings: list[Finding], *, is_usable: bool) -> Verdict:
    """The score in one word: notes alone leave a dataset ready."""
    if not is_usable:
        return "not_usable"
    has_warning = any(finding.severity == "warning" for finding in findings)
    return "ready_but" if has_warning else "ready"
