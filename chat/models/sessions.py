"""Conversations, and the models that answer in them."""

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
        is_blind: whether the models' names are hidden until the person asks for them.
        revealed_at: when they were told.
        cohort: the class whose arena a duel belongs to.
    """

    class Kind(models.TextChoices):
        CHAT = "chat", _("Chat")
        API = "api", _("Program")
        EVALUATION = "evaluation", _("Prompt set")
        DUEL = "duel", _("Duel in the arena")

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="chat_sessions"
    )
    name = models.CharField(_("name"), max_length=120)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind, default=Kind.CHAT)
    settings = models.JSONField(default=dict)
    head = models.ForeignKey(
        "chat.Message", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    is_blind = models.BooleanField(_("blind"), default=False)
    revealed_at = models.DateTimeField(null=True, blank=True)
    cohort = models.ForeignKey(
        "accounts.Cohort",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="duels",
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

    @property
    def hides_names(self) -> bool:
        """Whether nobody may be told yet which model is which."""
        return self.is_blind and self.revealed_at is None


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
