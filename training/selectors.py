"""Reads of jobs, shared by pages, API and tasks; scoped to a user."""

from __future__ import annotations

import io
import statistics
import zipfile
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from common.errors import ConflictError, NotFoundError
from training.models import MetricPoint, TrainingEvent, TrainingJob
from training.sentences import event_sentence

MIN_POINTS_FOR_ESTIMATE = 4
"""The first steps are slower than the rest; before this many there is no honest estimate."""
RECENT_POINTS = 30
UNTOLD_EVENTS = ("metrics", "sample")
"""Events that the curves and the samples show, not the log."""

Person = AbstractBaseUser | AnonymousUser


def jobs_visible_to(user: Person) -> QuerySet[TrainingJob]:
    return TrainingJob.objects.visible_to(user).select_related(
        "base_model", "dataset_version__dataset", "eval_dataset_version__dataset", "adapter"
    )


def get_job(user: Person, job_id: UUID | str) -> TrainingJob:
    """The job, when the user may see it.

    Raises:
        NotFoundError: no such job, or it is somebody else's.
    """
    try:
        job = jobs_visible_to(user).filter(pk=job_id).first()
    except (ValidationError, ValueError):
        job = None
    if job is None:
        raise NotFoundError(_("There is no training job with this id, or it is not yours."))
    return job


def completed_jobs(user: Person) -> QuerySet[TrainingJob]:
    """Jobs whose adapter can be talked to, newest first."""
    return jobs_visible_to(user).filter(status=TrainingJob.Status.COMPLETED, adapter__isnull=False)


def metric_points(job: TrainingJob, *, after_step: int = -1) -> list[MetricPoint]:
    return list(job.metric_points.filter(step__gt=after_step).order_by("step"))


def events_after(job: TrainingJob, seq: int) -> list[TrainingEvent]:
    return list(job.events.filter(seq__gt=seq).order_by("seq"))


def job_log(job: TrainingJob) -> list[tuple[datetime, str]]:
    """The job's story as dated sentences, oldest first; what a resumed job measures again stands there once."""
    lines: list[tuple[datetime, str]] = []
    measured: set[int] = set()
    for event in job.events.exclude(type__in=UNTOLD_EVENTS).order_by("seq"):
        if event.type == "evaluation":
            if event.payload["step"] in measured:
                continue
            measured.add(event.payload["step"])
        if sentence := event_sentence(event):
            lines.append((event.created_at, sentence))
    return lines


@dataclass(frozen=True, slots=True)
class Sample:
    """What the adapter answered to a fixed question after `step` steps."""

    step: int
    text: str


@dataclass(frozen=True, slots=True)
class SampledPrompt:
    """A fixed question with its answers so far, the newest first."""

    prompt: str
    samples: tuple[Sample, ...]

    @property
    def newest(self) -> Sample | None:
        return self.samples[0] if self.samples else None

    @property
    def earlier(self) -> tuple[Sample, ...]:
        return self.samples[1:]


def sampled_prompts(job: TrainingJob) -> list[SampledPrompt]:
    """The job's fixed questions, each with one answer a step; a resumed job tells its earlier ones again."""
    if not job.sample_prompts:
        return []
    answers: dict[int, dict[int, str]] = {}
    payloads = job.events.filter(type="sample").order_by("seq").values_list("payload", flat=True)
    for payload in payloads:
        answers.setdefault(payload["index"], {})[payload["step"]] = payload["text"]
    return [
        SampledPrompt(
            prompt,
            tuple(
                Sample(step, text)
                for step, text in sorted(answers.get(index, {}).items(), reverse=True)
            ),
        )
        for index, prompt in enumerate(job.sample_prompts)
    ]


def queue_position(job: TrainingJob) -> int | None:
    """1 for the next job of the queue; None when it does not wait."""
    if job.status != TrainingJob.Status.PENDING:
        return None
    ahead = TrainingJob.objects.filter(
        status=TrainingJob.Status.PENDING, created_at__lt=job.created_at
    )
    return ahead.count() + 1


def remaining_seconds(job: TrainingJob) -> float | None:
    """Time to the last step by the median of recent steps; None until enough of them flowed."""
    if (
        job.status != TrainingJob.Status.RUNNING
        or job.stage != TrainingJob.Stage.TRAINING
        or not job.total_steps
    ):
        return None
    # The steps that a resumed job tells again come at once and say nothing of its pace.
    rows = (
        job.metric_points.filter(loss__isnull=False, step__gt=job.plan.get("resumed_step", 0))
        .order_by("-step")
        .values_list("step", "recorded_at")
    )
    recent = list(rows[:RECENT_POINTS])
    if len(recent) < MIN_POINTS_FOR_ESTIMATE:
        return None
    paces = [
        (later_at - earlier_at).total_seconds() / (later - earlier)
        for (later, later_at), (earlier, earlier_at) in zip(recent, recent[1:], strict=False)
    ]
    last_step, last_at = recent[0]
    since = (timezone.now() - last_at).total_seconds()
    return max(0.0, statistics.median(paces) * (job.total_steps - last_step) - since)


def adapter_archive(job: TrainingJob) -> io.BytesIO:
    """The adapter's folder as a zip file that vanilla PEFT loads once unpacked.

    Raises:
        ConflictError: the job left no adapter.
    """
    adapter = getattr(job, "adapter", None)
    if adapter is None:
        raise ConflictError(
            _("This job has no adapter yet. It can be downloaded once the job is completed.")
        )
    buffer = io.BytesIO()
    # Weights do not compress; storing them is quicker and no larger.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(adapter.files):
            with default_storage.open(f"{adapter.prefix}/{name}", "rb") as source:
                archive.writestr(name, source.read())
    buffer.seek(0)
    return buffer
