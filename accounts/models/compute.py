"""How much of the devices a cohort may take, and when they are reserved for it."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models.cohorts import Cohort
from common.models import UuidModel


class ComputePolicy(models.Model):
    """How much of the devices a cohort's students may take; an empty limit is none.

    Among students who wait, the one who used the fewest device seconds for their weight goes first.
    """

    cohort = models.OneToOneField(Cohort, on_delete=models.CASCADE, related_name="compute_policy")
    weight = models.FloatField(
        _("weight"),
        default=1.0,
        validators=[MinValueValidator(0.01), MaxValueValidator(100.0)],
        help_text=_("A cohort of weight 2 gets twice the device time of one of weight 1."),
    )
    max_running_jobs = models.PositiveIntegerField(
        _("running jobs per student"), default=1, validators=[MinValueValidator(1)]
    )
    max_queued_jobs = models.PositiveIntegerField(
        _("waiting jobs per student"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    max_rank = models.PositiveIntegerField(_("highest rank"), null=True, blank=True)
    max_steps = models.PositiveIntegerField(_("most steps of a job"), null=True, blank=True)
    max_device_seconds = models.PositiveIntegerField(
        _("device seconds per student and day"), null=True, blank=True
    )
    is_paused = models.BooleanField(
        _("paused"), default=False, help_text=_("Nothing of this cohort starts while it is paused.")
    )

    class Meta:
        verbose_name = _("compute policy")
        verbose_name_plural = _("compute policies")

    def __str__(self) -> str:
        return str(self.cohort)


class ClassWindow(UuidModel):
    """A time for which the devices are reserved for one cohort: its jobs go first."""

    cohort = models.ForeignKey(Cohort, on_delete=models.CASCADE, related_name="class_windows")
    starts_at = models.DateTimeField(_("starts"))
    ends_at = models.DateTimeField(_("ends"))

    class Meta:
        verbose_name = _("class window")
        verbose_name_plural = _("class windows")
        ordering = ["starts_at"]
        constraints = [
            models.CheckConstraint(
                name="class_window_ends_after_start",
                condition=models.Q(ends_at__gt=models.F("starts_at")),
            )
        ]

    def __str__(self) -> str:
        return f"{self.starts_at:%Y-%m-%d %H:%M}"
