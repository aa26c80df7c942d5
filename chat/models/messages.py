"""The turns of a conversation: a person's messages, and the replies to each."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from chat.models.sessions import Answerer, ChatSession
from common.models import UuidModel


class Message(UuidModel):
    """The person's turn.

    Attributes:
        parent: the message before it in its branch; messages with the same parent are branches of each other.
        history: turns before it that a program brought along; None where the branch holds them.
    """

    session = models.ForeignKey(ChatSession, on_delete=models.CASCADE, related_name="messages")
    parent = models.ForeignKey(
        "self", on_delete=models.CASCADE, null=True, blank=True, related_name="followers"
    )
    text = models.TextField()
    history = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ["created_at"]

    def __str__(self) -> str:
        return self.text[:40]


class Reply(UuidModel):
    """A model's turn; grows while it is streamed.

    Attributes:
        take: counts the replies of one model to one message, from 1.
        is_chosen: the take that stands in the conversation; exactly one of them.
        rating: 1 for good, -1 for bad; None where nobody judged.
        corrected_text: what the person says the model should have answered.
        scored_text: an answer whose loss is measured; then nothing is drawn, and the reply is no take of a person's.
        loss: of that answer, in nats per token.
    """

    class Status(models.TextChoices):
        PENDING = "pending", _("Waiting")
        RUNNING = "running", _("Answering")
        COMPLETED = "completed", _("Done")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Stopped")

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="replies")
    answerer = models.ForeignKey(Answerer, on_delete=models.CASCADE, related_name="replies")
    take = models.PositiveSmallIntegerField(default=1)
    is_chosen = models.BooleanField(default=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    sampling = models.JSONField(default=dict)
    text = models.TextField(blank=True)
    finish_reason = models.CharField(max_length=10, blank=True)
    usage = models.JSONField(default=dict)
    timings = models.JSONField(default=dict)
    logprobs = models.JSONField(null=True, blank=True)
    rating = models.SmallIntegerField(null=True, blank=True)
    corrected_text = models.TextField(blank=True)
    scored_text = models.TextField(blank=True)
    loss = models.FloatField(null=True, blank=True)
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
        ordering = ["answerer__position", "take"]
        constraints = [
            models.UniqueConstraint(fields=["message", "answerer", "take"], name="reply_take_once"),
            models.UniqueConstraint(
                fields=["message", "answerer"],
                condition=models.Q(is_chosen=True),
                name="reply_chosen_once",
            ),
        ]
        indexes = [models.Index(fields=["status", "created_at"], name="reply_status_oldest")]

    def __str__(self) -> str:
        return self.text[:40]

    @property
    def target(self) -> str:
        """What kind of model answers: tuned or base."""
        return self.answerer.kind
