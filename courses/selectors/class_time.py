"""The time zone of a class, and moments that are entered in it."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.utils.translation import gettext as _

from accounts.models import Cohort
from common.errors import InvalidInputError

DATE_CHARACTERS = len("2026-12-01")


def zone_of(cohort: Cohort) -> tzinfo:
    """The server's where the class names none, or none that is known here."""
    for name in (cohort.time_zone, settings.TIME_ZONE):
        try:
            if name:
                return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return UTC


def read_moment(text: str, zone: tzinfo) -> datetime:
    """A date and time as a browser sends it.

    Raises:
        InvalidInputError: it is none, or the clocks of the zone do not show it exactly once.
    """
    text = text.strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInputError(
            _("This is no date with a time. Write it like 2026-12-01 18:00.")
        ) from error
    if len(text) <= DATE_CHARACTERS:
        raise InvalidInputError(_("The time is missing. Write it like 2026-12-01 18:00."))
    return moment if moment.tzinfo else moment_in(moment, zone)


def moment_in(naive: datetime, zone: tzinfo) -> datetime:
    """
    Raises:
        InvalidInputError: the clocks skip this time or show it twice, or it lies outside of the calendar.
    """
    earlier, later = (naive.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    try:
        is_shown = earlier.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == naive
    except OverflowError as error:
        raise InvalidInputError(_("This date is too far away. Choose a nearer one.")) from error
    if not is_shown:
        raise InvalidInputError(
            _(
                "The clocks go forward in that night and skip this time. Choose a time an hour later."
            )
        )
    if earlier.utcoffset() != later.utcoffset():
        raise InvalidInputError(
            _(
                "The clocks go back in that night and show this time twice. Choose a time outside of that hour."
            )
        )
    return earlier
