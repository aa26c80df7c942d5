"""Open a step for a whole class, before those that it waits for are done."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.auditing import note_act
from accounts.models import User
from common.errors import NotFoundError
from courses.events import class_changed
from courses.models import CohortCourse
from courses.selectors.content import content_of


@transaction.atomic
def open_step_for_all(actor: User, pinned: CohortCourse, step_key: str) -> bool:
    """Whether it was not open for all before.

    Raises:
        NotFoundError: the course has no such step.
    """
    if content_of(pinned.version_id).step(step_key) is None:
        raise NotFoundError(_("This course has no such step. It may have been renamed."))
    row = CohortCourse.objects.select_for_update().get(pk=pinned.pk)
    if step_key in row.opened_steps:
        return False
    row.opened_steps = [*row.opened_steps, step_key]
    row.save(update_fields=["opened_steps"])
    slug = pinned.course.slug
    note_act(actor, "step_opened", cohort=pinned.cohort, course=slug, step=step_key)
    class_changed(pinned.cohort_id)
    return True
