"""Groups of jobs that differ in chosen settings only."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.utils.translation import gettext_lazy as _

from common.models import UuidModel


class SweepQuerySet(models.QuerySet["Sweep"]):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        return self.filter(owner_id=user.pk) if user.is_authenticated else self.none()


class Sweep(UuidModel):
    """One job for each combination of the axes' values.

    axes is a list of {"name": a hyperparameter with its prefix, as lora_config.r, "values": [...]}.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sweeps"
    )
    name = models.CharField(_("name"), max_length=120)
    axes = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    objects = SweepQuerySet.as_manager()

    class Meta:
        verbose_name = _("sweep")
        verbose_name_plural = _("sweeps")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name
