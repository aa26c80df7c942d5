"""Adapters that a student lets a cohort use."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from common.models import UuidModel
from training.models.jobs import TrainingJob


class JobShare(UuidModel):
    """What the people of a cohort may do with the adapter of a job: its owner's choice, and only its owner's.

    Attributes:
        is_talkable: they may choose it for their own chats.
        is_in_arena: it takes part in the blind duels of the class.
    """

    job = models.ForeignKey(TrainingJob, on_delete=models.CASCADE, related_name="shares")
    cohort = models.ForeignKey(
        "accounts.Cohort", on_delete=models.CASCADE, related_name="job_shares"
    )
    is_talkable = models.BooleanField(_("can be talked to"), default=False)
    is_in_arena = models.BooleanField(_("in the arena"), default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("shared adapter")
        verbose_name_plural = _("shared adapters")
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["job", "cohort"], name="job_share_once"),
            models.CheckConstraint(
                name="job_share_for_something",
                condition=Q(is_talkable=True) | Q(is_in_arena=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.job_id} in {self.cohort_id}"
