"""Hints, which unlock by tries."""

from __future__ import annotations

from django.utils.translation import gettext as _

from common.errors import ConflictError, NotFoundError
from courses.models import Enrolment, HintView
from courses.selectors.progress import standing_of


def open_hint(enrolment: Enrolment, step_key: str, check_key: str, level: int) -> HintView:
    """Note that the person looked at a hint; looking twice is noted once.

    Raises:
        NotFoundError: there is no such hint.
        ConflictError: more tries are needed first.
    """
    item = standing_of(enrolment).of(step_key)
    check = next((check for check in item.step.checks if check.key == check_key), None)
    if check is None or not 1 <= level <= len(check.hints):
        raise NotFoundError(_("There is no such hint."))
    tries = item.progress.tries if item.progress else 0
    if tries < check.hints[level - 1].after:
        raise ConflictError(_("This hint opens after another try."))
    view, _is_new = HintView.objects.get_or_create(
        enrolment=enrolment, step_key=step_key, check_key=check_key, level=level
    )
    return view
