"""Files in storage that no job refers to: lost attempts, deleted jobs, checkpoints that nobody came back for."""

from __future__ import annotations

import re
from uuid import UUID

from django.core.files.storage import default_storage

from common import storage
from training.execution.folders import keeps_checkpoints
from training.models import TrainingJob

ATTEMPT = re.compile(r"attempt-(?P<number>\d+)")


def sweep_artifacts() -> int:
    """Delete them; returns how many prefixes went. A running attempt's files are never among them."""
    removed = 0
    listed = _listed()
    jobs = TrainingJob.objects.select_related("adapter").in_bulk([name for name, _parts in listed])
    for name, parts in listed:
        job = jobs.get(name)
        for part in parts:
            if not _is_needed(job, f"jobs/{name}/{part}", part):
                storage.delete_prefix(f"jobs/{name}/{part}")
                removed += 1
        if job is None:
            storage.delete_prefix(f"jobs/{name}")
    return removed


def _listed() -> list[tuple[UUID, list[str]]]:
    """Jobs with their prefixes, listed before any row is read: what appears later belongs to a job that runs."""
    found = []
    for name in _folders("jobs"):
        try:
            found.append((UUID(name), _folders(f"jobs/{name}")))
        except ValueError:
            continue
    return found


def _folders(prefix: str) -> list[str]:
    try:
        folders, _files = default_storage.listdir(prefix)
    except FileNotFoundError:
        return []
    return folders


def _is_needed(job: TrainingJob | None, prefix: str, part: str) -> bool:
    if job is None:
        return False
    if part == "checkpoints":
        return keeps_checkpoints(job)
    adapter = getattr(job, "adapter", None)
    if adapter is not None and adapter.prefix == prefix:
        return True
    match = ATTEMPT.fullmatch(part)
    if match is None:
        # Exports and the like are not ours to judge.
        return True
    return job.status == TrainingJob.Status.RUNNING and int(match["number"]) >= job.attempt
