"""Whether a class takes somebody in: it may be closed, over or full."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import Cohort, Membership
from common.errors import ConflictError


class Phase(StrEnum):
    """Where a class stands today."""

    UPCOMING = "upcoming"
    RUNNING = "running"
    OVER = "over"
    CLOSED = "closed"


def today_in(cohort: Cohort) -> date:
    """The day in the class's time zone; in the server's where the class names none that exists."""
    try:
        zone = ZoneInfo(cohort.time_zone) if cohort.time_zone else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        zone = None
    return timezone.localdate(timezone=zone)


def phase_of(cohort: Cohort) -> Phase:
    today = today_in(cohort)
    if cohort.status == Cohort.Status.CLOSED:
        return Phase.CLOSED
    if cohort.ends_on and cohort.ends_on < today:
        return Phase.OVER
    if cohort.starts_on and cohort.starts_on > today:
        return Phase.UPCOMING
    return Phase.RUNNING


def takes_people(cohort: Cohort) -> bool:
    """Seats aside."""
    return phase_of(cohort) in (Phase.UPCOMING, Phase.RUNNING)


def refusal(cohort: Cohort) -> str:
    """Why one more student can not join now, and who can change that; empty when one can. One query at most."""
    name = {"name": cohort.name}
    match phase_of(cohort):
        case Phase.CLOSED:
            sentence = _("“%(name)s” is closed, so nobody can join. Whoever leads it can open it.")
            return sentence % name
        case Phase.OVER if cohort.ends_on:
            sentence = _(
                "“%(name)s” is over, its last day was %(day)s, so nobody can join. Whoever leads it can move that day."
            )
            return sentence % (name | {"day": date_format(cohort.ends_on, "SHORT_DATE_FORMAT")})
    if cohort.seats is not None and _student_count(cohort) >= cohort.seats:
        sentence = ngettext(
            "“%(name)s” has %(count)d seat, and it is taken. Whoever leads the class can add seats.",
            "“%(name)s” has %(count)d seats, and all are taken. Whoever leads the class can add seats.",
            cohort.seats,
        )
        return sentence % (name | {"count": cohort.seats})
    return ""


def require_room(cohort: Cohort) -> None:
    """
    Args:
        cohort: locked by the caller, so that two do not take the last seat.

    Raises:
        ConflictError: the class is closed, over or full.
    """
    if sentence := refusal(cohort):
        raise ConflictError(sentence)


def _student_count(cohort: Cohort) -> int:
    return Membership.objects.filter(cohort=cohort, role=Membership.Role.STUDENT).count()
