"""Notes of who took data out or away."""

from __future__ import annotations

from accounts.models import User
from datasets_app.models import Dataset, DatasetEvent


def record_event(
    actor: User | None, action: DatasetEvent.Action, dataset: Dataset, **details: str | int
) -> None:
    """Write down what happened; the note outlives the dataset."""
    DatasetEvent.objects.create(
        actor=actor,
        action=action,
        dataset_id=dataset.pk,
        dataset_name=dataset.name,
        details=details,
    )
