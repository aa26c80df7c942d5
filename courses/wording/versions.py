"""What changed about a step, and what choosing a version did, in words."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import gettext as _
from django.utils.translation import ngettext


def aspect_list(aspects: Iterable[str]) -> str:
    titles = {
        "text_en": _("English text"),
        "text_ja": _("Japanese text"),
        "checks": _("checks"),
        "minutes": _("minutes"),
        "questions": _("questions"),
        "rules": _("kind, weight or order"),
    }
    return _(", ").join(titles[aspect] for aspect in aspects)


def moved_sentence(moving: int, staying: int) -> str:
    """What became of the students when the version was chosen."""
    moved = ngettext(
        "%(count)d student goes on in this version.",
        "%(count)d students go on in this version.",
        moving,
    ) % {"count": moving}
    if not staying:
        return moved
    stayed = ngettext(
        "%(count)d stays at the version before.",
        "%(count)d stay at the version before.",
        staying,
    ) % {"count": staying}
    return f"{moved} {stayed}"
