"""Feedback on a student's job or step: written, shown and taken back on the page of what it is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from common.errors import InvalidInputError
from courses.selectors.feedback import ShownFeedback
from courses.services.feedback import MAX_CHARACTERS


def feedback_context(
    entries: Sequence[ShownFeedback],
    address: str,
    *,
    text: str = "",
    fault: InvalidInputError | None = None,
) -> dict[str, Any]:
    """
    Args:
        address: to which new feedback is sent; below it, that of taking one back.
        text, fault: what could not be sent, and why.
    """
    place, _mark, query = address.partition("?")
    suffix = f"?{query}" if query else ""
    return {
        "feedback": [(item, f"{place}{item.entry.pk}/delete/{suffix}") for item in entries],
        "feedback_address": address,
        "most_characters": MAX_CHARACTERS,
        "text": text,
        "text_faults": [str(item.message) for item in fault.faults] if fault else [],
    }
