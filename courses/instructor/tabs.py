"""The pages of a class, in their order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import Cohort
from courses.selectors.helping import waiting_count


@dataclass(frozen=True, slots=True)
class Tab:
    """
    Attributes:
        key: of the address and of the template.
        count: what waits there; asked on every page of the class, so in one cheap query.
    """

    key: str
    title: str | Promise
    count: Callable[[Cohort], int] | None = None


TABS: tuple[Tab, ...] = (
    Tab("live", _("Live")),
    Tab("needs", _("Needs me now"), count=waiting_count),
    Tab("runs", _("Jobs")),
    Tab("sweep", _("As one sweep")),
    Tab("funnel", _("Steps of the course")),
    Tab("gradebook", _("Gradebook")),
    Tab("roster", _("Roster")),
    Tab("compute", _("Devices")),
    Tab("content", _("Content")),
    Tab("settings", _("Class")),
    Tab("privacy", _("Privacy and log")),
)
