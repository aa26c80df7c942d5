"""What a person thought of the answers to one message."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from chat.models.messages import Message
from chat.models.sessions import Answerer
from common.models import UuidModel


class Vote(UuidModel):
    """Which of several answers to a message was best, as the owner of the session says.

    Attributes:
        winner: the model of the best answer; None for a tie, for no good answer, and once the model was deleted.
        was_blind: whether the names were hidden when it was given.
    """

    class Verdict(models.TextChoices):
        BETTER = "better", _("One is better")
        TIE = "tie", _("Equally good")
        NONE = "none", _("None is good")

    message = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="vote")
    verdict = models.CharField(_("verdict"), max_length=6, choices=Verdict)
    winner = models.ForeignKey(
        Answerer, on_delete=models.CASCADE, null=True, blank=True, related_name="wins"
    )
    was_blind = models.BooleanField(_("blind"), default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("vote")
        verbose_name_plural = _("votes")
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                name="vote_better_has_winner",
                condition=models.Q(verdict="better", winner__isnull=False)
                | (~models.Q(verdict="better") & models.Q(winner__isnull=True)),
            )
        ]

    def __str__(self) -> str:
        return str(self.get_verdict_display())
