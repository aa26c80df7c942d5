"""Import a roster: write down who is expected in a class, and let in those who have an account already."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.auditing import note_act
from accounts.models import Cohort, JoinRequest, Membership, RosterEntry, User
from accounts.roles import check_instructor
from accounts.roster.planning import BATCH, Plan, Planned, differences, plan_import
from accounts.roster.reading import parse
from common.errors import ConflictError, InvalidInputError, NotFoundError

CHANGING = ["email", "username", "name", "role", "claimed_by"]


def preview_import(actor: User, cohort: Cohort, text: str) -> Plan:
    """What import_roster would do now; nothing is stored.

    Raises:
        ForbiddenError: actor is no instructor of the cohort.
        InvalidInputError: the text is no roster.
        ConflictError: the class is closed, or has too few seats.
    """
    check_instructor(actor, cohort)
    plan = plan_import(cohort, parse(text))
    _check_room(cohort, plan)
    return plan


@transaction.atomic
def import_roster(actor: User, cohort: Cohort, text: str, *, skips_wrong: bool) -> Plan:
    """Everything or nothing; a second time changes nothing.

    Args:
        skips_wrong: whether the lines that can be used are imported although others can not.

    Raises:
        ForbiddenError: actor is no instructor of the cohort.
        InvalidInputError: the text is no roster, or has wrong lines which are not to be skipped.
        ConflictError: the class is closed, or has too few seats.
    """
    # Locked, so that of two imports at once the second one finds what the first one wrote.
    cohort = Cohort.objects.select_for_update().get(pk=cohort.pk)
    check_instructor(actor, cohort)
    plan = plan_import(cohort, parse(text))
    if plan.faults and not skips_wrong:
        raise InvalidInputError(
            _(
                "Some lines are wrong. Choose to leave them out, or mend the file and bring it again."
            ),
            faults=plan.faults,
        )
    _check_room(cohort, plan)
    _write_entries(cohort, plan)
    _let_in(cohort, plan.joining)
    if plan.new or plan.changed:
        note_act(
            actor,
            "roster_imported",
            cohort=cohort,
            added=len(plan.new),
            changed=len(plan.changed),
            joined=len(plan.joining),
        )
    return plan


@transaction.atomic
def remove_entry(actor: User, cohort: Cohort, entry_id: UUID) -> RosterEntry:
    """Somebody is not expected any more.

    Raises:
        ForbiddenError: actor is no instructor of the cohort.
        NotFoundError: nobody expected has this id.
    """
    check_instructor(actor, cohort)
    found = RosterEntry.objects.select_for_update().filter(cohort=cohort, claimed_by=None)
    entry = found.filter(pk=entry_id).first()
    if entry is None:
        raise NotFoundError(
            _("This person is not expected any more: they have joined, or somebody removed them.")
        )
    entry.delete()
    note_act(actor, "cohort_changed", cohort=cohort, what="roster", removed=1)
    return entry


def _check_room(cohort: Cohort, plan: Plan) -> None:
    if cohort.status == Cohort.Status.CLOSED:
        raise ConflictError(_("Nobody can join a closed class. Open it first, then import."))
    if cohort.seats is None:
        return
    students = Membership.objects.filter(cohort=cohort, role=Membership.Role.STUDENT).count()
    free = max(0, cohort.seats - students)
    coming = sum(item.role == Membership.Role.STUDENT for item in plan.joining)
    if coming > free:
        sentence = ngettext(
            "The file lets in %(coming)d students at once, and %(count)d seat is free. "
            "Give the class more seats, or import fewer people.",
            "The file lets in %(coming)d students at once, and %(count)d seats are free. "
            "Give the class more seats, or import fewer people.",
            free,
        )
        raise ConflictError(sentence % {"coming": coming, "count": free})


def _write_entries(cohort: Cohort, plan: Plan) -> None:
    new = [_entry(RosterEntry(cohort=cohort), item) for item in plan.new]
    RosterEntry.objects.bulk_create(new, batch_size=BATCH)
    changed = [_entry(item.entry, item) for item in plan.changed if item.entry is not None]
    RosterEntry.objects.bulk_update(changed, CHANGING, batch_size=BATCH)


def _entry(entry: RosterEntry, item: Planned) -> RosterEntry:
    for name, value in differences(entry, item.row).items():
        setattr(entry, name, value)
    entry.claimed_by_id = item.person_id
    return entry


def _let_in(cohort: Cohort, joining: list[Planned]) -> None:
    Membership.objects.bulk_create(
        [
            Membership(
                cohort=cohort,
                user_id=item.person_id,
                role=item.role,
                source=Membership.Source.ROSTER,
            )
            for item in joining
            if item.person_id is not None
        ],
        batch_size=BATCH,
        ignore_conflicts=True,
    )
    inside = Membership.objects.filter(cohort=cohort).values("user_id")
    JoinRequest.objects.filter(cohort=cohort, user_id__in=inside).delete()
