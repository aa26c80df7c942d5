"""The adapters that jobs leave."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from common.models import UuidModel
from training.models.jobs import TrainingJob


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
