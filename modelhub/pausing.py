"""A person takes workers out of service for a while, and puts them back."""

from __future__ import annotations

from collections.abc import Iterable

from modelhub.models import Worker


def pause_workers(worker_ids: Iterable[int]) -> int:
    """They finish what they hold and claim nothing; returns how many were not paused before."""
    return Worker.objects.filter(pk__in=list(worker_ids), is_paused=False).update(is_paused=True)


def resume_workers(worker_ids: Iterable[int]) -> int:
    """They take work again, within seconds; returns how many were paused before."""
    return Worker.objects.filter(pk__in=list(worker_ids), is_paused=True).update(is_paused=False)
