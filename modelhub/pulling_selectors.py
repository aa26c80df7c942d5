"""Reads of pulls, shared by pages and API; instructors see them."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import User
from common.errors import NotFoundError
from modelhub.models import ModelPull
from modelhub.pulling_lifecycle import ACTIVE

SHOWN_ENDED = 5


def pulls_visible_to(person: User) -> QuerySet[ModelPull]:
    """Newest first."""
    if not (person.is_active and person.is_staff):
        return ModelPull.objects.none()
    return ModelPull.objects.select_related("requested_by")


def shown_pulls(person: User) -> list[ModelPull]:
    """All that are under way, then the last ones that ended."""
    rows = pulls_visible_to(person)
    return [*rows.filter(status__in=ACTIVE), *rows.exclude(status__in=ACTIVE)[:SHOWN_ENDED]]


def get_pull(person: User, pull_id: UUID) -> ModelPull:
    """
    Raises:
        NotFoundError: no such pull, or the person may not see it.
    """
    pull = pulls_visible_to(person).filter(pk=pull_id).first()
    if pull is None:
        raise NotFoundError(_("There is no pull with this id, or you may not see it."))
    return pull
