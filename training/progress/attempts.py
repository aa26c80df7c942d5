"""Why a job was started more than once and where it went on, in words."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from training.models import TrainingJob


def attempt_sentences(job: TrainingJob) -> list[str]:
    """Nothing about a job that was started once."""
    if job.attempt < 2 or job.status == TrainingJob.Status.PENDING:
        return []
    if job.lost_attempts:
        first = _("Started again after a worker was lost: attempt %(attempt)d.")
    else:
        first = _("Started again: attempt %(attempt)d.")
    sentences = [first % {"attempt": job.attempt}]
    # Before the plan is told again, it is the one of the attempt before.
    if job.total_steps and job.stage != TrainingJob.Stage.PREPARING:
        sentences.append(_where(int(job.plan.get("resumed_step", 0))))
    return sentences


def _where(resumed_step: int) -> str:
    if not resumed_step:
        return _("It began anew, because there was no checkpoint.")
    return _("It went on after step %(step)d, from its last checkpoint.") % {"step": resumed_step}


def checkpoint_step(job: TrainingJob) -> int:
    """The step after which a job that is over would go on; 0 when it would begin anew."""
    if job.completed_at is None:
        return 0
    age = timezone.now() - job.completed_at
    if age >= timedelta(hours=settings.CHECKPOINT_HOURS):
        return 0
    told = job.events.filter(type__in=["checkpoint", "stage"]).order_by("-seq")
    for payload in told.values_list("payload", flat=True):
        if "plan" in payload:
            # An attempt that began anew has thrown away what others had saved.
            return int(payload["plan"].get("resumed_step", 0))
        if "stage" not in payload and not payload.get("failed"):
            return int(payload["step"])
    return 0


def resume_sentence(job: TrainingJob) -> str:
    """Where the job would go on; empty when it can not be resumed."""
    if not job.can_resume:
        return ""
    step = checkpoint_step(job)
    if step:
        return _(
            "You can resume it: it goes on after step %(step)d, from its last checkpoint. "
            "The checkpoint is kept for %(hours)d hours after the end."
        ) % {"step": step, "hours": settings.CHECKPOINT_HOURS}
    return _("You can resume it: there is no checkpoint, so it begins anew with the same settings.")
