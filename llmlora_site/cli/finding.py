"""One line of the doctor's report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]
GIGABYTE = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        name: stable, for programs.
        label: what was looked at, translated.
        detail: what was found.
        mend: what to do; empty when all is well.
    """

    name: str
    label: str
    status: Status
    detail: str
    mend: str = ""


def graded(
    name: str,
    label: str,
    amount: float,
    *,
    needed: float,
    comfortable: float,
    detail: str,
    mend: str,
) -> Finding:
    """A finding about an amount that should be large enough."""
    if amount < needed:
        return Finding(name, label, "fail", detail, mend)
    if amount < comfortable:
        return Finding(name, label, "warn", detail, mend)
    return Finding(name, label, "ok", detail)
