"""Spans of time in a class, coarse on purpose."""

from __future__ import annotations

from datetime import timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

MOST_MINUTES = 120
MOST_HOURS = 48


def span_words(span: timedelta) -> str:
    """As 12 min, 3 h or 2 days."""
    minutes = int(span / timedelta(minutes=1))
    if minutes < 1:
        return _("under 1 min")
    if minutes < MOST_MINUTES:
        return _("%(minutes)d min") % {"minutes": minutes}
    hours = minutes // 60
    if hours < MOST_HOURS:
        return _("%(hours)d h") % {"hours": hours}
    days = hours // 24
    return ngettext("%(days)d day", "%(days)d days", days) % {"days": days}
