"""Training jobs: what a person asked to train, how far it is, and what became of it."""

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
    declared lost can not write any more. `lease_count` rises with each heartbeat. `attempt` counts every claim,
    `lost_attempts` only those that a lost worker or a dead engine ended: they are limited.

    A waiting job is not claimed before `not_before` nor while it is held. `queued_at` is when it last began to wait;
    `waited_seconds` sums up the waits before that. `device_seconds` is the time for which a device worked on it.
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

    LASTING_FAILURES = frozenset(
        {
            "dataset_unusable",
            "unsupported_model",
            "unsupported_variant",
            "adapter_unusable",
            "diverged",
            "out_of_memory",
        }
    )
    """Error codes with which the same settings would fail again."""

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
    device_name = models.CharField(max_length=200, blank=True)
    memory_bytes = models.PositiveBigIntegerField(default=0)
    diagnosis = models.JSONField(default=dict)

    cohort = models.ForeignKey(
        "accounts.Cohort",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="training_jobs",
    )
    estimate = models.JSONField(default=dict)

    queued_at = models.DateTimeField(null=True, blank=True)
    waited_seconds = models.FloatField(default=0)
    not_before = models.DateTimeField(null=True, blank=True)
    priority = models.SmallIntegerField(_("priority"), default=0)
    held_at = models.DateTimeField(null=True, blank=True)
    device_seconds = models.FloatField(default=0)

    attempt = models.PositiveIntegerField(default=0)
    lost_attempts = models.PositiveIntegerField(default=0)
    worker_name = models.CharField(max_length=200, blank=True)
    lease_token = models.UUIDField(null=True, blank=True)
    lease_count = models.PositiveIntegerField(default=0)
    event_seq = models.PositiveIntegerField(default=0)

    sweep = models.ForeignKey(
        "training.Sweep", on_delete=models.SET_NULL, null=True, blank=True, related_name="jobs"
    )
    prediction = models.TextField(_("guess"), blank=True)
    explanation = models.TextField(_("explanation"), blank=True)
    notes = models.TextField(_("notes"), blank=True)
    tags = models.JSONField(_("tags"), default=list)
    is_starred = models.BooleanField(_("starred"), default=False)
    archived_at = models.DateTimeField(null=True, blank=True)

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
    def can_resume(self) -> bool:
        """Whether another attempt may end better: not where the settings or the data are the reason."""
        if self.status == self.Status.CANCELLED:
            return True
        return self.status == self.Status.FAILED and self.error_code not in self.LASTING_FAILURES

    @property
    def lora(self) -> LoraHyperparameters:
        return LoraHyperparameters.from_mapping(self.lora_config)

    @property
    def training(self) -> TrainingHyperparameters:
        return TrainingHyperparameters.from_mapping(self.training_config)

    @property
    def progress(self) -> float:
        """Share of the steps done, 0 to 1."""
        return min(1.0, self.current_step / self.total_steps) if self.total_steps else 0.0
