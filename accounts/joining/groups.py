"""Who is in the group of a class in the school's directory joins it as they sign in there.

A class takes the same person by its group once: whoever left it, was removed or declined, or took the request back is
not brought back by the next sign-in. The log of the class knows.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from accounts.auditing import note_act
from accounts.joining.entering import Entry, State, enter, entry_of
from accounts.joining.openness import takes_people
from accounts.models import AuditEvent, Cohort, Membership, User
from common.errors import ConflictError

BEEN_THERE = ("group_joined", "group_asked", "member_left", "member_removed", "join_declined")


def join_by_groups(person: User, groups: Sequence[str]) -> tuple[list[Entry], list[str]]:
    """Where the person came in or waits now, and why other classes of the groups did not take them.

    A refusal is told again at each sign-in: a seat may be free the next time. Of classes that are closed or over
    nothing is told: a group may have had one each year.
    """
    entries, refusals = [], []
    classes = Cohort.objects.filter(directory_group__in=groups).exclude(directory_group="")
    for cohort in filter(takes_people, classes.order_by("created_at")):
        try:
            entry = _join(person, cohort)
        except ConflictError as error:
            refusals.append(str(error.message))
        else:
            entries += [entry] if entry else []
    return entries, refusals


@transaction.atomic
def _join(person: User, cohort: Cohort) -> Entry | None:
    locked = Cohort.objects.select_for_update().get(pk=cohort.pk)
    is_same = locked.directory_group == cohort.directory_group
    if not is_same or entry_of(person, locked) or _has_been_there(person, locked):
        return None
    entry = enter(person, locked, Membership.Source.SSO)
    kind = "group_joined" if entry.state == State.JOINED else "group_asked"
    note_act(person, kind, cohort=locked, person=person)
    return entry


def _has_been_there(person: User, cohort: Cohort) -> bool:
    return AuditEvent.objects.filter(cohort=cohort, person=person, kind__in=BEEN_THERE).exists()
