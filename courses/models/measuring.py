"""Measurements on the questions that a course never shows. No row holds a question or an answer."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from common.models import UuidModel
from courses.models.progress import Enrolment


class HiddenMeasurement(UuidModel):
    """How one job of a student's does on the hidden questions of the course, beside its base model.

    Attributes:
        job: empty once it is deleted; the measurement stays, so that it goes on counting.
        language: of the questions.
        digest: sha256 of the questions and the answers hoped for.
        adapter_digest: which weights were measured.
        tuned_loss, base_loss: mean over the questions, in nats per token.
        gain_low, gain_high: between which the true gain probably lies.
        renewed_at: when its worker last said that it lives; also the token without which nothing is written.
    """

    class Status(models.TextChoices):
        PENDING = "pending", _("Waiting")
        RUNNING = "running", _("Measuring")
        COMPLETED = "completed", _("Done")
        FAILED = "failed", _("Failed")

    ACTIVE = (Status.PENDING, Status.RUNNING)

    enrolment = models.ForeignKey(
        Enrolment, on_delete=models.CASCADE, related_name="hidden_measurements"
    )
    job = models.ForeignKey(
        "training.TrainingJob",
        on_delete=models.SET_NULL,
        null=True,
        related_name="hidden_measurements",
    )
    job_name = models.CharField(_("job"), max_length=120)
    language = models.CharField(max_length=8)
    digest = models.CharField(max_length=64)
    question_count = models.PositiveIntegerField()
    adapter_digest = models.CharField(max_length=64)
    status = models.CharField(_("status"), max_length=9, choices=Status, default=Status.PENDING)
    tuned_loss = models.FloatField(null=True)
    base_loss = models.FloatField(null=True)
    gain_low = models.FloatField(null=True)
    gain_high = models.FloatField(null=True)
    error_code = models.CharField(max_length=40, blank=True)
    error_params = models.JSONField(default=dict)
    attempts = models.PositiveSmallIntegerField(default=0)
    renewed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    completed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("measurement on hidden questions")
        verbose_name_plural = _("measurements on hidden questions")
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["status", "created_at"], name="hidden_measurement_waiting")]
        constraints = [
            models.UniqueConstraint(
                fields=["enrolment"],
                condition=Q(status__in=["pending", "running"]),
                name="hidden_measurement_one_active",
            )
        ]

    def __str__(self) -> str:
        return f"{self.job_name} {self.status}"

    @property
    def is_active(self) -> bool:
        return self.status in self.ACTIVE

    @property
    def gain(self) -> float | None:
        """By how much the tuned model is better; negative where it is worse."""
        if self.base_loss is None or self.tuned_loss is None:
            return None
        return self.base_loss - self.tuned_loss
