"""What opening a step for all and closing it again did, in words."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import ngettext


def opened_sentence(*, is_new: bool) -> str:
    if not is_new:
        return _("The step was open for the whole class already.")
    return _(
        "The step is open for the whole class. On the page of the course you can close it again."
    )


def closed_sentence(kept: int, locked: int) -> str:
    """
    Args:
        kept: students who had done the step.
        locked: students who were at it and can not go on there now.
    """
    sentences = [_("The step waits for those before it again.")]
    if kept:
        sentences.append(
            ngettext(
                "%(count)d student has done it and keeps that.",
                "%(count)d students have done it and keep that.",
                kept,
            )
            % {"count": kept}
        )
    if locked:
        sentences.append(
            ngettext(
                "%(count)d student was at it: what was done there stays, to go on with after the steps before it.",
                "%(count)d students were at it: what was done there stays, to go on with after the steps before it.",
                locked,
            )
            % {"count": locked}
        )
    return " ".join(sentences)
