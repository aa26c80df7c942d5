"""Conversations: a session, the models that answer in it, its messages, and the replies to each message."""

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
    """A conversation with one to four models, which all answer every message.

    Attributes:
        head: the last message of the branch in view; None before the first.
    """

    class Kind(models.TextChoices):
        CHAT = "chat", _("Chat")
        API = "api", _("Program")

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="chat_sessions"
    )
    name = models.CharField(_("name"), max_length=120)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind, default=Kind.CHAT)
    settings = models.JSONField(default=dict)
    head = models.ForeignKey(
        "chat.Message", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    event_seq = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ChatSessionQuerySet.as_manager()

    class Meta:
        verbose_name = _("chat session")
        verbose_name_plural = _("chat sessions")
        ordering = ["-updated_at"]
        indexes = [models.Index(fields=["owner", "-updated_at"], name="chat_owner_newest")]

    def __str__(self) -> str:
        return self.name

    @property
    def main(self) -> Answerer:
        """The model that the session is about: the first that answers."""
        return self.answerers.all()[0]

    @property
    def is_compared(self) -> bool:
        """Whether several models answer each message."""
        return len(self.answerers.all()) > 1


class Answerer(UuidModel):
    """One model that answers in a session: a job's tuned model, or an untouched base model.

    A tuned model whose job was deleted keeps its label and its replies, and answers no more.
    """

    class Kind(models.TextChoices):
        TUNED = "tuned", _("Tuned model")
        BASE = "base", _("Base model")

    session = models.ForeignKey(ChatSession, on_delete=models.CASCADE, related_name="answerers")
    position = models.PositiveSmallIntegerField(default=0)
    kind = models.CharField(_("kind"), max_length=6, choices=Kind)
    label = models.CharField(_("label"), max_length=120)
    job = models.ForeignKey(
        "training.TrainingJob",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="answerers",
    )
    base_model = models.ForeignKey(
        "modelhub.BaseModel", on_delete=models.PROTECT, related_name="answerers"
    )

    class Meta:
        verbose_name = _("answering model")
        verbose_name_plural = _("answering models")
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["session", "position"], name="answerer_position_once"),
            models.CheckConstraint(
                name="answerer_base_has_no_job",
                condition=models.Q(kind="tuned") | models.Q(job__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def is_gone(self) -> bool:
        """Whether its job was deleted, and its adapter with it."""
        return self.kind == self.Kind.TUNED and self.job_id is None


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
