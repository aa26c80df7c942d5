"""Why a job waits and when it may start, in the active language. A wait is nobody's fault and never late."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format, time_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from training.queue.policy import Reason
from training.queue.standing import ExpectedStart, Standing

CLOCK_MINUTES = 90
"""A longer wait is told by the clock."""
ROUNDED_MINUTES = 5


def reason_sentence(standing: Standing) -> str:  # noqa: PLR0911, one for each reason
    """Why the reader's job waits, and what ends the wait."""
    moment = "" if standing.until is None else clock_words(standing.until)
    match standing.reason:
        case Reason.NEXT:
            return _("A worker takes this job in a moment.")
        case Reason.CLASS_WINDOW:
            return _(
                "The devices are reserved for another class until %(time)s. "
                "This job starts before that when the class leaves a device free."
            ) % {"time": moment}
        case Reason.HELD:
            return _("An instructor holds this job. It can start as soon as it is released.")
        case Reason.COHORT_PAUSED:
            return _("The queue of this class is paused. It goes on when an instructor resumes it.")
        case Reason.BACKING_OFF:
            return _("The worker of this job was lost. The next attempt can begin at %(time)s.") % {
                "time": moment
            }
        case Reason.OWN_JOB_RUNNING:
            return _("Your other job is running. This one can start when that one ends.")
        case Reason.DAY_USED_UP:
            return _(
                "Your device time of today in this class is used up. The job can start from %(time)s on."
            ) % {"time": moment}
        case Reason.NEEDS_GPU:
            return _("Waiting for a worker with an NVIDIA GPU, which QLoRA needs.")
        case Reason.NO_WORKER:
            return _("No worker is at work now. The job starts when one is there.")
    return _("Other jobs have the devices now.")


def reason_label(standing: Standing) -> str:
    """The same in few words, whoever the job belongs to."""
    labels = {
        Reason.NEXT: _("Starts in a moment"),
        Reason.DEVICE_BUSY: _("Devices are busy"),
        Reason.CLASS_WINDOW: _("Another class has the devices"),
        Reason.HELD: _("Held"),
        Reason.COHORT_PAUSED: _("Class paused"),
        Reason.BACKING_OFF: _("Pause after a lost worker"),
        Reason.OWN_JOB_RUNNING: _("Other job of the same student runs"),
        Reason.DAY_USED_UP: _("Device time of today used up"),
        Reason.NEEDS_GPU: _("Needs an NVIDIA GPU"),
        Reason.NO_WORKER: _("No worker"),
    }
    return labels[standing.reason]


def start_words(standing: Standing) -> str:
    """When the job may start, as a range; why nothing can be told; or nothing, where the reason says it all."""
    if standing.expected_start is not None:
        return range_words(standing.expected_start)
    if standing.reason in (Reason.DEVICE_BUSY, Reason.CLASS_WINDOW, Reason.OWN_JOB_RUNNING):
        return _("can not be told: a job before it has no estimate")
    return ""


def range_words(start: ExpectedStart) -> str:
    """Coarse on purpose, and never in the past."""
    now = timezone.now()
    low = max(0, math.floor((start.earliest - now).total_seconds() / 60))
    high = max(low, math.ceil((start.latest - now).total_seconds() / 60))
    if high <= 1:
        return _("within a minute")
    if high > CLOCK_MINUTES:
        return _clock_range(start, now)
    if low == 0:
        return ngettext("within %(count)d min", "within %(count)d min", high) % {"count": high}
    if low == high:
        return ngettext("in about %(count)d min", "in about %(count)d min", high) % {"count": high}
    return _("in %(low)d to %(high)d min") % {"low": low, "high": high}


def _clock_range(start: ExpectedStart, now: datetime) -> str:
    step = timedelta(minutes=ROUNDED_MINUTES)
    earliest = max(now, start.earliest)
    earliest -= timedelta(seconds=earliest.timestamp() % step.total_seconds())
    latest = start.latest + timedelta(seconds=-start.latest.timestamp() % step.total_seconds())
    return _("between %(low)s and %(high)s") % {
        "low": clock_words(max(now, earliest)),
        "high": clock_words(latest),
    }


def clock_words(moment: datetime) -> str:
    """The time of day, with the date where it is another day."""
    local = timezone.localtime(moment)
    if local.date() == timezone.localdate():
        return time_format(local, "H:i")
    return date_format(local, "SHORT_DATETIME_FORMAT")


def position_words(standing: Standing, total: int) -> str:
    """The place in the queue; nothing while the job has none."""
    if standing.position is None:
        return ""
    if standing.position == 1:
        return pgettext("position in the queue", "next")
    return _("%(position)d of %(total)d") % {"position": standing.position, "total": total}
