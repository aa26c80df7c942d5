"""Sets of questions, and what models answered to all of them."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.utils.translation import gettext_lazy as _

from chat.models.sessions import ChatSession
from common.models import UuidModel


class PromptSetQuerySet(models.QuerySet["PromptSet"]):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        return self.filter(owner_id=user.pk) if user.is_authenticated else self.none()


class PromptSet(UuidModel):
    """Questions that a person keeps, to put to several models.

    Attributes:
        items: list of {"prompt": str, "reference": str}; a reference, which may be empty, is the answer hoped for.
        digest: sha256 of the items.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="prompt_sets"
    )
    name = models.CharField(_("name"), max_length=120)
    items = models.JSONField(default=list)
    digest = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = PromptSetQuerySet.as_manager()

    class Meta:
        verbose_name = _("prompt set")
        verbose_name_plural = _("prompt sets")
        ordering = ["-updated_at"]

    def __str__(self) -> str:
        return self.name


class PromptRun(UuidModel):
    """A set of questions put to the models of one session, as it stood then.

    Attributes:
        session: of the kind EVALUATION; a message for each question that was put so far.
        source: where the questions come from: {"kind": "own" | "course" | "dataset", "id": str, "title": str}.
        items, digest: those of the set, copied.
        next_item: the index of the question that is put next.
        results: the table once the run is over (chat.prompt_sets.results).
    """

    class State(models.TextChoices):
        RUNNING = "running", _("Running")
        COMPLETED = "completed", _("Completed")
        CANCELLED = "cancelled", _("Stopped")

    session = models.OneToOneField(ChatSession, on_delete=models.CASCADE, related_name="prompt_run")
    source = models.JSONField(default=dict)
    items = models.JSONField(default=list)
    digest = models.CharField(max_length=64)
    state = models.CharField(_("state"), max_length=9, choices=State, default=State.RUNNING)
    next_item = models.PositiveIntegerField(default=0)
    results = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("run of a prompt set")
        verbose_name_plural = _("runs of prompt sets")
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["state", "created_at"], name="prompt_run_unfinished")]

    def __str__(self) -> str:
        return str(self.source.get("title", ""))
