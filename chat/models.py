"""Conversations: a session, its messages, and the replies to each message."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.utils.translation import gettext_lazy as _

from common.models import UuidModel


class ChatSessionQuerySet(models.QuerySet["ChatSession"]):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        return self.filter(owner_id=user.pk) if user.is_authenticated else self.none()


class ChatSession(UuidModel):
    """A conversation with a tuned model (job) or an untouched one (base_model), exactly one of them.

    With is_compared, each message is answered twice: by the tuned model and by its base model.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="chat_sessions"
    )
    name = models.CharField(_("name"), max_length=120)
    job = models.ForeignKey(
        "training.TrainingJob",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="chat_sessions",
    )
    base_model = models.ForeignKey(
        "modelhub.BaseModel",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="chat_sessions",
    )
    is_compared = models.BooleanField(default=False)
    settings = models.JSONField(default=dict)
    event_seq = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ChatSessionQuerySet.as_manager()

    class Meta:
        verbose_name = _("chat session")
        verbose_name_plural = _("chat sessions")
        ordering = ["-updated_at"]
        indexes = [models.Index(fields=["owner", "-updated_at"], name="chat_owner_newest")]
        constraints = [
            models.CheckConstraint(
                name="chat_has_one_model",
                condition=models.Q(job__isnull=True, base_model__isnull=False)
                | models.Q(job__isnull=False, base_model__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Message(UuidModel):
    """The user's turn."""

    session = models.ForeignKey(ChatSession, on_delete=models.CASCADE, related_name="messages")
    text = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ["created_at"]

    def __str__(self) -> str:
        return self.text[:40]


class Reply(UuidModel):
    """The model's turn; grows while it is streamed."""

    class Target(models.TextChoices):
        TUNED = "tuned", _("Tuned model")
        BASE = "base", _("Base model")

    class Status(models.TextChoices):
        PENDING = "pending", _("Waiting")
        RUNNING = "running", _("Answering")
        COMPLETED = "completed", _("Done")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Stopped")

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="replies")
    target = models.CharField(max_length=6, choices=Target)
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    sampling = models.JSONField(default=dict)
    text = models.TextField(blank=True)
    finish_reason = models.CharField(max_length=10, blank=True)
    usage = models.JSONField(default=dict)
    timings = models.JSONField(default=dict)
    error_code = models.CharField(max_length=40, blank=True)
    error_params = models.JSONField(default=dict)
    is_cancel_requested = models.BooleanField(default=False)
    attempt = models.PositiveIntegerField(default=0)
    worker_name = models.CharField(max_length=200, blank=True)
    lease_token = models.UUIDField(null=True, blank=True)
    lease_count = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("reply")
        verbose_name_plural = _("replies")
        ordering = ["target", "created_at"]
        constraints = [
            models.UniqueConstraint(fields=["message", "target"], name="reply_target_once")
        ]
        indexes = [models.Index(fields=["status", "created_at"], name="reply_status_oldest")]

    def __str__(self) -> str:
        return self.text[:40]
