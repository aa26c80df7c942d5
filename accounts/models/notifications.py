"""What people are told."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from common.models import UuidModel


class Notification(UuidModel):
    """Something that happened while its reader may have been elsewhere.

    kind and params make the sentence in the reader's language; path is where it leads.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notifications"
    )
    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=64)
    params = models.JSONField(default=dict)
    path = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(null=True, blank=True)
    mailed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        ordering = ["-created_at"]
        indexes = [
            # The bell counts one reader's unseen ones on every page.
            models.Index(fields=["user", "seen_at"], name="notification_unseen"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "kind", "subject"], name="notification_once_a_subject"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"
