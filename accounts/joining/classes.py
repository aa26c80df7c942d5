"""What the page of a person's classes shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from accounts.joining.openness import Phase, phase_of
from accounts.models import Cohort, JoinRequest, Membership, User


@dataclass(frozen=True, slots=True)
class ClassCard:
    """A class of the reader's.

    Attributes:
        leaders: names of its instructors, as they want to be called.
    """

    cohort: Cohort
    member: Membership
    phase: Phase
    leaders: tuple[str, ...]

    @property
    def is_reviewer(self) -> bool:
        return self.member.role in Membership.REVIEWERS


def class_cards(person: User) -> list[ClassCard]:
    """Those that they joined last come first; in two queries."""
    mine = list(
        Membership.objects.filter(user=person).select_related("cohort").order_by("-created_at")
    )
    leaders = leader_names(member.cohort_id for member in mine)
    return [
        ClassCard(member.cohort, member, phase_of(member.cohort), leaders.get(member.cohort_id, ()))
        for member in mine
    ]


def leader_names(cohort_ids: Iterable[UUID]) -> dict[UUID, tuple[str, ...]]:
    """The instructors of each class, the longest there first."""
    found: dict[UUID, list[str]] = defaultdict(list)
    for member in (
        Membership.objects.filter(
            cohort_id__in=list(cohort_ids), role=Membership.Role.INSTRUCTOR, user__is_active=True
        )
        .select_related("user")
        .order_by("created_at", "pk")
    ):
        found[member.cohort_id].append(str(member.user))
    return {cohort_id: tuple(names) for cohort_id, names in found.items()}


def waiting_requests(person: User) -> list[JoinRequest]:
    return list(JoinRequest.objects.filter(user=person).select_related("cohort"))
