"""Something happened that layers above may want to know of, which may not be asked from below: they listen.

Nothing depends on a listener: one that fails is logged, and whoever listens can also find out later from the rows.
"""

from __future__ import annotations

from typing import Literal

from django.db import transaction
from django.dispatch import Signal

Kind = Literal["class_left", "dataset_changed", "job_ended", "job_page_seen", "jobs_compared"]

happening = Signal()
"""Sent with kind, user_id, and subject_id: the id of what it happened with, or several with commas between them."""


def happened(kind: Kind, user_id: int, subject_id: object) -> None:
    """Tell whoever listens once the current transaction is in the database."""
    transaction.on_commit(
        lambda: happening.send_robust(None, kind=kind, user_id=user_id, subject_id=str(subject_id)),
        robust=True,
    )
