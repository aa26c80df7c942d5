"""Device time that people used; it outlives their jobs, so that deleting one does not win a place in the queue."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class DeviceUsage(models.Model):
    """Seconds for which devices worked on a person's jobs on one day (UTC), by the cohort that the jobs count in."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="device_usage"
    )
    cohort = models.ForeignKey(
        "accounts.Cohort", on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    day = models.DateField()
    seconds = models.FloatField(default=0)

    class Meta:
        verbose_name = _("device usage")
        verbose_name_plural = _("device usage")
        constraints = [
            models.UniqueConstraint(
                fields=["user", "cohort", "day"], name="device_usage_once_a_day"
            ),
            # To a unique constraint no cohort is never the same as no cohort.
            models.UniqueConstraint(
                fields=["user", "day"],
                condition=models.Q(cohort=None),
                name="device_usage_once_a_day_alone",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.day}: {self.seconds:.0f} s"
