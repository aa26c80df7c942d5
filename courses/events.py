"""Tell the open pages of a class that something changed there. A hint only: pages read the rows."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from common.channel_layer import publish


def group_name(cohort_id: UUID | str) -> str:
    return f"courses.class.{cohort_id}"


def class_changed(cohort_id: UUID | None) -> None:
    """Hint to the pages of a class once the current transaction is in the database; without a class, to nobody."""
    if cohort_id is not None:
        transaction.on_commit(
            lambda: publish(group_name(cohort_id), {"type": "class.changed"}), robust=True
        )
