"""What a job measured, and its live stream."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from training.models.jobs import TrainingJob


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
