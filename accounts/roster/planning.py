"""What an import of a roster would do, before it does anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from uuid import UUID

from allauth.account.models import EmailAddress
from django.db.models.functions import Lower
from django.utils.translation import gettext as _

from accounts.models import Cohort, Membership, RosterEntry, User
from accounts.roster.reading import Sheet
from accounts.roster.rows import Row
from common.errors import Fault

BATCH = 500


class State(StrEnum):
    """What an import makes of a line."""

    NEW = "new"
    CHANGED = "changed"
    ALREADY = "already"


@dataclass(slots=True)
class Planned:
    """A line that can be used.

    Attributes:
        entry: what stands in the roster for it already.
        person_id: who it is, if there is an account for it.
        wanted: the role that the person is to have.
        role: in which this person gets in at once; empty for nobody.
    """

    row: Row
    state: State
    wanted: str
    entry: RosterEntry | None = None
    person_id: int | None = None
    role: str = ""

    @property
    def wanted_label(self) -> str:
        return str(Membership.Role(self.wanted).label)

    @property
    def is_lowered(self) -> bool:
        """Whether the person gets in, but not in the role that the file asks for."""
        return bool(self.role) and self.role != self.wanted


@dataclass(slots=True)
class Plan:
    """What an import would do.

    Attributes:
        faults: lines that can not be used, in the order of the file.
    """

    planned: list[Planned] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def of(self, state: State) -> list[Planned]:
        return [item for item in self.planned if item.state == state]

    @property
    def new(self) -> list[Planned]:
        return self.of(State.NEW)

    @property
    def changed(self) -> list[Planned]:
        return self.of(State.CHANGED)

    @property
    def already(self) -> list[Planned]:
        return self.of(State.ALREADY)

    @property
    def joining(self) -> list[Planned]:
        """Those who get in at once."""
        return [item for item in self.planned if item.role]


def plan_import(cohort: Cohort, sheet: Sheet) -> Plan:
    """In as many queries for a large file as for a small one, for each 500 lines."""
    known = _Known(cohort, sheet.rows)
    plan = Plan(unread=sheet.unread, faults=list(sheet.faults))
    for row in sheet.rows:
        found = known.plan(row)
        if isinstance(found, Planned):
            plan.planned.append(found)
        else:
            plan.faults.append(Fault(found, line=row.line))
    plan.faults.sort(key=lambda fault: fault.line or 0)
    return plan


class _Known:
    """What is known of the people in a file: their places in the roster, their accounts, their memberships."""

    def __init__(self, cohort: Cohort, rows: list[Row]) -> None:
        entries = list(RosterEntry.objects.filter(cohort=cohort))
        self._by_email = {entry.email: entry for entry in entries if entry.email}
        self._by_username = {entry.username: entry for entry in entries if entry.username}
        self._members = set(
            Membership.objects.filter(cohort=cohort).values_list("user_id", flat=True)
        )
        self._proven = dict(_verified(row.email for row in rows if row.email))
        self._named = dict(_usernames(row.username for row in rows if row.username))
        self._lines: dict[int | UUID, int] = {}

    def plan(self, row: Row) -> Planned | str:
        """What is to be done, or the sentence that says why nothing can be."""
        entry, other = self._by_email.get(row.email), self._by_username.get(row.username)
        if entry and other and entry.pk != other.pk:
            return _("The address and the user name stand in the roster for two people already.")
        entry = entry or other
        proven, named = self._proven.get(row.email), self._named.get(row.username)
        if proven and named and proven != named:
            return _("The address belongs to somebody else than the user name.")
        person = proven or named
        if entry and entry.claimed_by_id:
            if person and person != entry.claimed_by_id:
                return _("The roster has this place for somebody else, who is there already.")
            person = entry.claimed_by_id
        keys: list[int | UUID] = [entry.pk] if entry else []
        for key in keys + ([person] if person else []):
            earlier = self._lines.setdefault(key, row.line)
            if earlier != row.line:
                return _("This is the same person as on line %(line)d.") % {"line": earlier}
        return self._planned(row, entry, person, is_proven=person is not None and person == proven)

    def _planned(
        self, row: Row, entry: RosterEntry | None, person: int | None, *, is_proven: bool
    ) -> Planned:
        wanted = row.role or (entry.role if entry else Membership.Role.STUDENT)
        if person in self._members:
            return Planned(row, State.ALREADY, wanted, entry, person)
        # Anybody can take a user name or write down an address: only an address that was verified proves who it is.
        role = "" if person is None else wanted if is_proven else Membership.Role.STUDENT
        if entry is None:
            return Planned(row, State.NEW, wanted, None, person, role)
        is_same = person is None and not differences(entry, row)
        state = State.ALREADY if is_same else State.CHANGED
        return Planned(row, state, wanted, entry, person, role)


def differences(entry: RosterEntry, row: Row) -> dict[str, str]:
    """What a line says otherwise than the roster; an empty cell says nothing."""
    wanted = {name: getattr(row, name) for name in ("email", "username", "name", "role")}
    return {
        name: value for name, value in wanted.items() if value and value != getattr(entry, name)
    }


def _verified(emails: Iterable[str]) -> Iterator[tuple[str, int]]:
    verified = EmailAddress.objects.filter(verified=True, user__is_active=True)
    for some in _batches(emails):
        found = verified.annotate(lower=Lower("email")).filter(lower__in=some)
        yield from found.values_list("lower", "user_id")


def _usernames(usernames: Iterable[str]) -> Iterator[tuple[str, int]]:
    for some in _batches(usernames):
        found = User.objects.filter(username__in=some, is_active=True)
        yield from found.values_list("username", "pk")


def _batches(values: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(values)
    while some := list(islice(remaining, BATCH)):
        yield some
