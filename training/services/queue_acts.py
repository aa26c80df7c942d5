"""What a leader does to a job in the queue, by the name that the address of a button has for it."""

from __future__ import annotations

from django.utils.translation import gettext as _

from accounts.models import User
from common.errors import NotFoundError
from training.models import TrainingJob
from training.services import queueing
from training.services.ending import cancel_training_job
from training.services.queueing import Place


def act_on_job(job: TrainingJob, action: str, *, by: User) -> str:
    """Hold, release, move or cancel a job.

    Returns:
        A sentence that says what was done.

    Raises:
        NotFoundError: there is no such action.
        ConflictError: the job does not wait any more, or is over.
    """
    sentence = _sentence(action)
    match action:
        case "hold":
            queueing.hold_job(job, by=by)
        case "release":
            queueing.release_job(job, by=by)
        case "cancel":
            cancel_training_job(job, by=by)
        case _:
            queueing.move_job(job, Place(action), by=by)
    return sentence % {"name": job.name}


def _sentence(action: str) -> str:
    sentences = {
        "hold": _("“%(name)s” is held."),
        "release": _("“%(name)s” can start again."),
        "front": _("“%(name)s” goes first."),
        "back": _("“%(name)s” goes last."),
        "fair": _("“%(name)s” is back in its own place."),
        "cancel": _("“%(name)s” was cancelled."),
    }
    if action not in sentences:
        raise NotFoundError(_("There is no such action for a job."))
    return sentences[action]
