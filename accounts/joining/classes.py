"""What the page of a person's classes shows."""

from __future__ import annotations

from collections import Counter, defaultdict
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
        waiting: how many ask to join, for those who decide it.
    """

    cohort: Cohort
    member: Membership
    phase: Phase
    leaders: tuple[str, ...]
    waiting: int

    @property
    def is_reviewer(self) -> bool:
        return self.member.role in Membership.REVIEWERS


def class_cards(person: User) -> list[ClassCard]:
    """Those that they joined last come first; in three queries."""
    mine = list(
        Membership.objects.filter(user=person).select_related("cohort").order_by("-created_at")
    )
    leaders = leader_names(member.cohort_id for member in mine)
    led = [member.cohort_id for member in mine if member.role in Membership.LEADERS]
    waiting = Counter(
        JoinRequest.objects.filter(cohort_id__in=led).values_list("cohort_id", flat=True)
    )
    return [
        ClassCard(
            cohort=member.cohort,
            member=member,
            phase=phase_of(member.cohort),
            leaders=leaders.get(member.cohort_id, ()),
            waiting=waiting[member.cohort_id],
        )
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
