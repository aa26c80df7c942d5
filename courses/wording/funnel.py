"""What stands out in the steps of a class, in sentences."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from common.sentences import joined
from courses.selectors.funnel import Stage


def narrow_sentence(stage: Stage) -> str:
    """How many passed a step that many do not pass, and what they do not meet."""
    passed = _("Step %(number)s, %(title)s: %(passed)s of %(reached)s passed.") % {
        "number": stage.number,
        "title": stage.title,
        "passed": stage.passed,
        "reached": stage.reached,
    }
    obstacle, waiting = "", ""
    if stage.obstacle:
        obstacle = _("Most often not met: %(check)s.") % {"check": stage.obstacle.title}
    if stage.waiting:
        waiting = ngettext(
            "%(count)s student waits for a device.",
            "%(count)s students wait for a device.",
            stage.waiting,
        ) % {"count": stage.waiting}
    return joined([passed, obstacle, waiting])
