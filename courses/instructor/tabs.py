"""The pages of a class, in their order."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Tab:
    """key: of the address and of the template."""

    key: str
    title: str | Promise


TABS: tuple[Tab, ...] = (
    Tab("gradebook", _("Gradebook")),
    Tab("funnel", _("Steps of the course")),
)
