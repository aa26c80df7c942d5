"""The pages of a class, in their order."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Tab:
    """
    Attributes:
        key: of the address and of the template.
        has_count: whether it says how many students wait for help.
    """

    key: str
    title: str | Promise
    has_count: bool = False


TABS: tuple[Tab, ...] = (
    Tab("live", _("Live")),
    Tab("needs", _("Needs me now"), has_count=True),
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
