"""What leaders see about the data of a class: requests of its students, when work is erased, and the log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from django.core.paginator import Page, Paginator
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from accounts.auditing_wording import real_names, sentence_of
from accounts.models import AuditEvent, Cohort, DataRequest, Membership, User
from accounts.privacy.asking import can_be_cancelled, erasable_students
from courses.selectors.names import shown_names
from courses.wording.audit_kinds import kind_label

ENTRIES_ON_A_PAGE = 25
SHOWN_REQUESTS = 50


@dataclass(frozen=True, slots=True)
class AskedOf:
    """A request about a student's data.

    Attributes:
        name: of the student.
        is_cancellable: whether a leader of this class may take it back.
    """

    request: DataRequest
    name: str
    is_cancellable: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One act of the log in words."""

    event: AuditEvent
    sentence: str


@dataclass(frozen=True, slots=True)
class LogFilter:
    """What is looked for; empty for everything."""

    kind: str = ""
    person: int | None = None

    @property
    def is_empty(self) -> bool:
        return not self.kind and self.person is None


@dataclass(frozen=True, slots=True)
class Log:
    """A page of the log with what can be looked for in it."""

    page: Page[AuditEvent]
    entries: list[Entry]
    kinds: list[tuple[str, str]]
    people: list[tuple[int, str]]


def erased_on(cohort: Cohort) -> date | None:
    """From which day on the work of the class is erased; None for never."""
    if cohort.ends_on is None or cohort.retention_days is None:
        return None
    return cohort.ends_on + timedelta(days=cohort.retention_days + 1)


def requests_of(cohort: Cohort, names: dict[int, str]) -> list[AskedOf]:
    """The newest first: what its students asked, and what was asked in it."""
    students = Membership.objects.filter(cohort=cohort, role=Membership.Role.STUDENT)
    concerning = Q(person__in=students.values("user")) | Q(cohort=cohort)
    found = DataRequest.objects.filter(concerning).order_by("-created_at")[:SHOWN_REQUESTS]
    return [
        AskedOf(
            request,
            _person_name(request.person_id, names),
            request.cohort_id == cohort.pk
            and request.kind == DataRequest.Kind.ERASE
            and can_be_cancelled(request),
        )
        for request in found
    ]


def erasable_choices(leader: User, cohort: Cohort, names: dict[int, str]) -> list[tuple[int, str]]:
    """Students whose erasure leader may ask for, and who are not to be erased already."""
    waiting = DataRequest.objects.filter(
        kind=DataRequest.Kind.ERASE, state__in=DataRequest.OPEN, person__isnull=False
    )
    ids = erasable_students(leader, cohort) - set(waiting.values_list("person_id", flat=True))
    return sorted(((pk, names.get(pk, "")) for pk in ids), key=lambda choice: choice[1].casefold())


def log_of(cohort: Cohort, wanted: LogFilter, *, number: str, is_projected: bool) -> Log:
    """Newest first. In a constant number of queries, however much there is."""
    everything = AuditEvent.objects.filter(cohort=cohort)
    found = everything.select_related("actor", "person").order_by("-created_at", "-pk")
    if wanted.kind:
        found = found.filter(kind=wanted.kind)
    if wanted.person is not None:
        found = found.filter(Q(person=wanted.person) | Q(actor=wanted.person))
    page = Paginator(found, ENTRIES_ON_A_PAGE).get_page(number)
    events = list(page.object_list)
    members = shown_names(cohort, is_projected=is_projected)
    # Who has left is named too, but not on a screen that everybody sees.
    names = members if is_projected else real_names(events) | members
    return Log(
        page,
        [Entry(event, sentence_of(event, names)) for event in events],
        _kinds(everything),
        _people(everything, members),
    )


def _kinds(events: QuerySet[AuditEvent]) -> list[tuple[str, str]]:
    kinds = events.order_by().values_list("kind", flat=True).distinct()
    return sorted(((kind, kind_label(kind)) for kind in kinds), key=lambda choice: choice[1])


def _people(events: QuerySet[AuditEvent], members: dict[int, str]) -> list[tuple[int, str]]:
    """Members who did something or to whom something was done."""
    pairs = events.order_by().values_list("actor", "person").distinct()
    ids = {pk for pair in pairs for pk in pair}
    named = [(pk, name) for pk, name in members.items() if pk in ids]
    return sorted(named, key=lambda choice: choice[1].casefold())


def _person_name(user_id: int | None, names: dict[int, str]) -> str:
    if user_id is None:
        return _("Somebody who was erased")
    return names.get(user_id) or _("Somebody who is not in the class any more")
