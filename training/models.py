"""Training jobs, their metric points, their events and the adapters they leave."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.utils.translation import gettext_lazy as _

from common.models import UuidModel
from engine.config import LoraHyperparameters, TrainingHyperparameters


class TrainingJobQuerySet(models.QuerySet["TrainingJob"]):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        return self.filter(owner_id=user.pk) if user.is_authenticated else self.none()

    def active(self) -> Self:
        return self.filter(status__in=[TrainingJob.Status.PENDING, TrainingJob.Status.RUNNING])


class TrainingJob(UuidModel):
    """What a person asked to train, and how far it is.

    A worker holds a running job by `lease_token`; every write of that worker names it, so a worker that was
    declared lost can not write any more. `lease_count` rises with each heartbeat.
    """

    class Status(models.TextChoices):
        PENDING = "pending", _("Waiting")
        RUNNING = "running", _("Running")
        COMPLETED = "completed", _("Completed")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    class Stage(models.TextChoices):
        QUEUED = "queued", _("In the queue")
        PREPARING = "preparing", _("Preparing")
        BASELINE = "baseline", _("Measuring the base model")
        TRAINING = "training", _("Training")
        EVALUATING = "evaluating", _("Evaluating")
        SAVING = "saving", _("Saving")
        CANCELLING = "cancelling", _("Cancelling")
        STOPPING = "stopping", _("Stopping")
        DONE = "done", _("Done")

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="training_jobs"
    )
    name = models.CharField(_("name"), max_length=120)
    base_model = models.ForeignKey(
        "modelhub.BaseModel", on_delete=models.PROTECT, related_name="training_jobs"
    )
    dataset_version = models.ForeignKey(
        "datasets_app.DatasetVersion", on_delete=models.RESTRICT, related_name="training_jobs"
    )
    eval_dataset_version = models.ForeignKey(
        "datasets_app.DatasetVersion",
        on_delete=models.RESTRICT,
        null=True,
        blank=True,
        related_name="evaluating_jobs",
    )
    lora_config = models.JSONField()
    training_config = models.JSONField()
    sample_prompts = models.JSONField(default=list)

    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.PENDING)
    stage = models.CharField(_("stage"), max_length=10, choices=Stage, default=Stage.QUEUED)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    stop_requested_at = models.DateTimeField(null=True, blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    error_params = models.JSONField(default=dict)

    current_step = models.PositiveIntegerField(default=0)
    total_steps = models.PositiveIntegerField(default=0)
    current_epoch = models.FloatField(default=0)
    loss = models.FloatField(null=True, blank=True)
    best_loss = models.FloatField(null=True, blank=True)
    eval_loss = models.FloatField(null=True, blank=True)
    baseline_loss = models.FloatField(null=True, blank=True)
    tokens_per_second = models.FloatField(null=True, blank=True)
    plan = models.JSONField(default=dict)
    trainable_parameter_count = models.PositiveBigIntegerField(default=0)

    attempt = models.PositiveIntegerField(default=0)
    worker_name = models.CharField(max_length=200, blank=True)
    lease_token = models.UUIDField(null=True, blank=True)
    lease_count = models.PositiveIntegerField(default=0)
    event_seq = models.PositiveIntegerField(default=0)

    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    training_started_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)

    objects = TrainingJobQuerySet.as_manager()

    class Meta:
        verbose_name = _("training job")
        verbose_name_plural = _("training jobs")
        ordering = ["-created_at"]
        indexes = [
            # The list page reads one owner's jobs, newest first.
            models.Index(fields=["owner", "-created_at"], name="job_owner_newest"),
            # Workers look for the oldest waiting job.
            models.Index(fields=["status", "created_at"], name="job_status_oldest"),
        ]
        constraints = [
            models.CheckConstraint(
                name="job_running_has_lease",
                condition=~models.Q(status="running") | models.Q(lease_token__isnull=False),
            ),
            models.CheckConstraint(
                name="job_failed_has_code",
                condition=~models.Q(status="failed") | ~models.Q(error_code=""),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_active(self) -> bool:
        return self.status in (self.Status.PENDING, self.Status.RUNNING)

    @property
    def lora(self) -> LoraHyperparameters:
        return LoraHyperparameters.from_mapping(self.lora_config)

    @property
    def training(self) -> TrainingHyperparameters:
        return TrainingHyperparameters.from_mapping(self.training_config)

    @property
    def progress(self) -> float:
        """Share of the steps done, 0 to 1."""
        if self.status == self.Status.COMPLETED:
            return 1.0
        return min(1.0, self.current_step / self.total_steps) if self.total_steps else 0.0


class MetricPoint(models.Model):
    """The measurements after one step; step 0 is the untouched base model."""

    job = models.ForeignKey(TrainingJob, on_delete=models.CASCADE, related_name="metric_points")
    attempt = models.PositiveIntegerField(default=1)
    step = models.PositiveIntegerField()
    epoch = models.FloatField()
    loss = models.FloatField(null=True, blank=True)
    learning_rate = models.FloatField(null=True, blank=True)
    eval_loss = models.FloatField(null=True, blank=True)
    grad_norm = models.FloatField(null=True, blank=True)
    tokens_per_second = models.FloatField(null=True, blank=True)
    recorded_at = models.DateTimeField()

    class Meta:
        verbose_name = _("metric point")
        verbose_name_plural = _("metric points")
        ordering = ["step"]
        constraints = [
            models.UniqueConstraint(fields=["job", "step"], name="metric_point_step_once")
        ]

    def __str__(self) -> str:
        return f"{self.job_id} step {self.step}"


class TrainingEvent(models.Model):
    """One event of a job's live stream; seq is dense from 1."""

    job = models.ForeignKey(TrainingJob, on_delete=models.CASCADE, related_name="events")
    seq = models.PositiveIntegerField()
    type = models.CharField(max_length=20)
    payload = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["seq"]
        constraints = [
            models.UniqueConstraint(fields=["job", "seq"], name="training_event_seq_once")
        ]

    def __str__(self) -> str:
        return f"{self.job_id} #{self.seq} {self.type}"


class Adapter(UuidModel):
    """The trained weights of a completed job, as files in storage under `prefix`.

    files maps a file's name to its sha256; the folder loads in vanilla PEFT.
    """

    job = models.OneToOneField(TrainingJob, on_delete=models.CASCADE, related_name="adapter")
    prefix = models.CharField(max_length=300)
    files = models.JSONField()
    digest = models.CharField(max_length=64)
    size_bytes = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("adapter")
        verbose_name_plural = _("adapters")

    def __str__(self) -> str:
        return f"{self.job_id} {self.digest[:12]}"
