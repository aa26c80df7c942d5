"""Reads of sweeps, scoped to a user."""

from __future__ import annotations

from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from common.errors import NotFoundError
from training.models import Sweep, TrainingJob
from training.selectors import Person

Status = TrainingJob.Status


def sweeps_visible_to(user: Person) -> QuerySet[Sweep]:
    """Newest first, with the counts of their jobs by state."""
    counts = {
        f"{status.value}_count": Count("jobs", filter=Q(jobs__status=status)) for status in Status
    }
    found = Sweep.objects.visible_to(user).annotate(job_count=Count("jobs"), **counts)
    return found.order_by("-created_at", "pk")


def get_sweep(user: Person, sweep_id: UUID | str) -> Sweep:
    """The sweep, when the user may see it.

    Raises:
        NotFoundError: no such sweep, or it is somebody else's.
    """
    try:
        sweep = Sweep.objects.visible_to(user).filter(pk=sweep_id).first()
    except (ValidationError, ValueError):
        sweep = None
    if sweep is None:
        raise NotFoundError(_("There is no sweep with this id, or it is not yours."))
    return sweep


def jobs_of(user: Person, sweep: Sweep) -> list[TrainingJob]:
    return list(TrainingJob.objects.visible_to(user).filter(sweep=sweep).order_by("created_at"))
