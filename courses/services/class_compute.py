"""What leaders decide of the devices for their class: its limits, and the times for which they are reserved."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.auditing import note_act
from accounts.models import ClassWindow, Cohort, ComputePolicy, User
from common.errors import Fault, InvalidInputError, NotFoundError
from common.poke import poke_on_commit
from courses.selectors.class_compute import policy_of
from courses.selectors.class_time import read_moment, zone_of
from training.tasks import run_waiting_jobs

LONGEST_WINDOW = timedelta(hours=24)
"""Other classes wait as long as the devices are reserved."""


@transaction.atomic
def change_policy(actor: User, cohort: Cohort, values: Mapping[str, Any]) -> list[str]:
    """Set what the class allows its students; jobs that wait already are held to it too.

    Args:
        actor: an instructor of the class.
        values: by field, already checked by the form.

    Returns:
        The fields that changed.
    """
    Cohort.objects.select_for_update().get(pk=cohort.pk)
    policy = policy_of(cohort)
    changed = {
        name: [getattr(policy, name), value]
        for name, value in values.items()
        if getattr(policy, name) != value
    }
    if not changed:
        return []
    ComputePolicy.objects.update_or_create(
        cohort=cohort,
        defaults=dict(values),
        create_defaults={"max_running_jobs": policy.max_running_jobs} | dict(values),
    )
    note_act(actor, "policy_changed", cohort=cohort, changed=changed)
    poke_on_commit(run_waiting_jobs, str(cohort.pk))
    return list(changed)


@transaction.atomic
def add_window(actor: User, cohort: Cohort, *, starts: str, ends: str) -> ClassWindow:
    """Reserve the devices for the class.

    Args:
        starts, ends: as a browser sends a date with a time, in the class's time zone.

    Raises:
        InvalidInputError: with every fault, by field.
    """
    # Two leaders may add the same time at the same moment.
    Cohort.objects.select_for_update().get(pk=cohort.pk)
    zone, faults = zone_of(cohort), list[Fault]()
    starts_at = _moment(starts, zone, "starts_at", faults)
    ends_at = _moment(ends, zone, "ends_at", faults)
    if starts_at and ends_at:
        faults += _faults(cohort, starts_at, ends_at)
    if faults or starts_at is None or ends_at is None:
        raise InvalidInputError(_("The devices were not reserved."), faults=faults)
    window = ClassWindow.objects.create(cohort=cohort, starts_at=starts_at, ends_at=ends_at)
    note_act(
        actor,
        "class_window_added",
        cohort=cohort,
        starts_at=starts_at.isoformat(),
        ends_at=ends_at.isoformat(),
    )
    poke_on_commit(run_waiting_jobs, str(cohort.pk))
    return window


@transaction.atomic
def remove_window(actor: User, cohort: Cohort, window_id: UUID) -> None:
    """Give the devices free again.

    Raises:
        NotFoundError: there is no such time of this class.
    """
    window = ClassWindow.objects.filter(cohort=cohort, pk=window_id).first()
    if window is None:
        raise NotFoundError(_("There is no such class time; somebody may have removed it."))
    note_act(
        actor,
        "class_window_removed",
        cohort=cohort,
        starts_at=window.starts_at.isoformat(),
        ends_at=window.ends_at.isoformat(),
    )
    window.delete()
    poke_on_commit(run_waiting_jobs, str(cohort.pk))


def _moment(text: str, zone: tzinfo, field: str, faults: list[Fault]) -> datetime | None:
    try:
        return read_moment(text, zone)
    except InvalidInputError as error:
        faults.append(Fault(error.message, field=field))
        return None


def _faults(cohort: Cohort, starts_at: datetime, ends_at: datetime) -> list[Fault]:
    """What is wrong with a time whose two ends are right."""
    if ends_at <= starts_at:
        return [Fault(_("The end must be after the start."), field="ends_at")]
    if ends_at <= timezone.now():
        return [Fault(_("This time is over already. Choose a later one."), field="ends_at")]
    if ends_at - starts_at > LONGEST_WINDOW:
        sentence = _(
            "A class time is %(hours)d hours long at most, because other classes wait meanwhile. "
            "Add one for each lesson."
        )
        hours = LONGEST_WINDOW.total_seconds() // 3600
        return [Fault(sentence % {"hours": hours}, field="ends_at")]
    others = ClassWindow.objects.filter(cohort=cohort, starts_at__lt=ends_at, ends_at__gt=starts_at)
    if others.exists():
        return [
            Fault(
                _(
                    "The class has the devices in a part of this time already. Remove that time first."
                ),
                field="starts_at",
            )
        ]
    return []
