"""What a person may do with the rows that members add to a class dataset."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from accounts.models import Membership, User
from datasets_app.models import Dataset


@dataclass(frozen=True, slots=True)
class RowRights:
    """Rights of one person in one dataset.

    Attributes:
        may_add: offer rows, and withdraw one's own.
        may_review: accept and reject rows, and make versions of them.
        may_watch: read the rows of all members.
    """

    may_add: bool = False
    may_review: bool = False
    may_watch: bool = False


def row_rights(user: User, dataset: Dataset) -> RowRights:
    """Members add, leaders and the owner review, observers only look; others may do nothing."""
    if not dataset.collects_rows or dataset.visibility != Dataset.Visibility.COHORT:
        return RowRights()
    role = _role(user, dataset.cohort_id)
    may_review = dataset.owner_id == user.pk or role in Membership.LEADERS
    return RowRights(
        may_add=role is not None and role != Membership.Role.OBSERVER,
        may_review=may_review,
        may_watch=may_review or role == Membership.Role.OBSERVER,
    )


def _role(user: User, cohort_id: UUID | None) -> str | None:
    if cohort_id is None:
        return None
    own = Membership.objects.filter(cohort_id=cohort_id, user_id=user.pk)
    return own.values_list("role", flat=True).first()
