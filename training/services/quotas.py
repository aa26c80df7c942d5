"""What a cohort allows its students; checked before a job is queued."""

from __future__ import annotations

import math
from collections.abc import Iterator

from django.db.models import Sum
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import Cohort, ComputePolicy, User
from common.errors import Fault, TooManyRequestsError
from engine.config import LoraHyperparameters
from training.models import DeviceUsage, TrainingJob
from training.queue.reading import next_midnight
from training.queue.wording import clock_words

MAX_ACTIVE_JOBS_PER_PERSON = 20
"""One person can not fill the queue of a whole class."""

RETRY_SECONDS = 60


def quota_faults(cohort: Cohort | None, lora: LoraHyperparameters, total_steps: int) -> list[Fault]:
    """The settings that the cohort's policy does not allow."""
    policy = _policy_of(cohort)
    return [] if policy is None else list(_faults(policy, lora, total_steps))


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
            retry_after_seconds=RETRY_SECONDS,
        )
    policy = _policy_of(cohort)
    if policy is not None:
        _check_waiting(owner, policy)
        _check_day(owner, policy)


def _policy_of(cohort: Cohort | None) -> ComputePolicy | None:
    return None if cohort is None else ComputePolicy.objects.filter(cohort=cohort).first()


def _faults(policy: ComputePolicy, lora: LoraHyperparameters, total_steps: int) -> Iterator[Fault]:
    limit = policy.max_rank
    if limit is not None:
        sentence = _("Your class allows a rank of %(limit)d at most. Lower it.") % {"limit": limit}
        if lora.r > limit:
            yield Fault(sentence, field="lora_config.r")
        if max(lora.rank_pattern.values(), default=0) > limit:
            yield Fault(sentence, field="lora_config.rank_pattern")
    if policy.max_steps is not None and total_steps > policy.max_steps:
        yield Fault(
            _(
                "This job would take %(steps)d steps, and your class allows %(limit)d at most. "
                "Use fewer epochs, a larger batch or fewer examples."
            )
            % {"steps": total_steps, "limit": policy.max_steps},
            field="training_config.num_epochs",
        )


def _check_waiting(owner: User, policy: ComputePolicy) -> None:
    limit = policy.max_queued_jobs
    if limit is None:
        return
    waiting = TrainingJob.objects.filter(
        owner=owner, cohort=policy.cohort_id, status=TrainingJob.Status.PENDING
    )
    if waiting.count() >= limit:
        raise TooManyRequestsError(
            ngettext(
                "Your class allows each student %(count)d waiting job. Start the next one when it runs, or cancel it.",
                "Your class allows each student %(count)d waiting jobs. Start the next one when one of them runs, "
                "or cancel one.",
                limit,
            )
            % {"count": limit},
            retry_after_seconds=RETRY_SECONDS,
        )


def _check_day(owner: User, policy: ComputePolicy) -> None:
    """A job that could not start today is refused with the time from which it can; it would only wait."""
    limit = policy.max_device_seconds
    if limit is None:
        return
    now = timezone.now()
    midnight = next_midnight(now)
    today = DeviceUsage.objects.filter(
        user=owner, cohort=policy.cohort_id, day=now.astimezone(midnight.tzinfo).date()
    )
    used = today.aggregate(seconds=Sum("seconds", default=0.0))["seconds"]
    if used >= limit:
        raise TooManyRequestsError(
            ngettext(
                "Your class allows each student %(count)d minute of device time a day, and today's is used up. "
                "You can start again from %(time)s on.",
                "Your class allows each student %(count)d minutes of device time a day, and today's is used up. "
                "You can start again from %(time)s on.",
                limit // 60,
            )
            % {"count": limit // 60, "time": clock_words(midnight)},
            retry_after_seconds=math.ceil((midnight - now).total_seconds()),
        )
