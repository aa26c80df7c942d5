"""Places on a page that layers above fill: they may not be asked from below, so they register what they show there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any, Literal

from common.http import AuthenticatedRequest

Slot = Literal["job_notes", "job_list"]
"""job_notes: on the page of a person's own job, which is its subject. job_list: on the list of their jobs."""

Filler = Callable[[AuthenticatedRequest, Any], str]
"""Of the request and the slot's subject it makes safe HTML, or nothing."""

_fillers: dict[Slot, list[Filler]] = defaultdict(list)


def fill_slot(slot: Slot, filler: Filler) -> None:
    """Show something in a slot from now on; the same filler twice shows it once."""
    if filler not in _fillers[slot]:
        _fillers[slot].append(filler)


def slot_content(slot: Slot, request: AuthenticatedRequest, subject: Any) -> str:
    """What stands in a slot, in the order in which it was registered."""
    return "".join(filler(request, subject) for filler in _fillers[slot])
