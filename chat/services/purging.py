"""Conversations that nobody will look at again: a program's requests, and duels that were never decided."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from accounts.models import User
from chat.models import ChatSession
from chat.selectors import ACTIVE

REQUEST_KEPT = timedelta(hours=settings.IDEMPOTENCY_HOURS)
"""So long a request with the same Idempotency-Key gets the same answer."""
DUEL_KEPT = timedelta(days=30)
"""Long enough for a vote after the holidays; without one a duel says nothing of the order."""
MAX_REQUESTS = 1000
"""Of one person's programs that are kept at once, however many are made within REQUEST_KEPT."""
PURGED_AT_ONCE = 200


def purge_requests() -> int:
    """Delete what programs asked long ago and was answered; returns how many requests."""
    return _purge(ChatSession.Kind.API, REQUEST_KEPT)


def drop_oldest_requests(owner: User) -> None:
    """Make room for another request of a person's programs: what was answered longest ago goes first.

    A program is never refused for what it asked before. Inside a transaction in which no other request of the person
    is stored.
    """
    own = ChatSession.objects.filter(owner=owner, kind=ChatSession.Kind.API)
    surplus = own.count() + 1 - MAX_REQUESTS
    if surplus > 0:
        ended = own.exclude(messages__replies__status__in=ACTIVE).order_by("created_at")
        oldest = list(ended.values_list("pk", flat=True)[:surplus])
        ChatSession.objects.filter(pk__in=oldest).delete()


def purge_duels() -> int:
    """Delete duels that were begun long ago and have no vote; returns how many."""
    return _purge(ChatSession.Kind.DUEL, DUEL_KEPT)


def _purge(kind: ChatSession.Kind, kept: timedelta) -> int:
    """Twice does no more than once. What is still being answered stays, and so does what somebody voted on."""
    old = ChatSession.objects.filter(kind=kind, created_at__lt=timezone.now() - kept)
    over = old.exclude(messages__replies__status__in=ACTIVE).exclude(messages__vote__isnull=False)
    count = 0
    while session_ids := list(
        over.order_by("created_at").values_list("pk", flat=True)[:PURGED_AT_ONCE]
    ):
        ChatSession.objects.filter(pk__in=session_ids).delete()
        count += len(session_ids)
    return count
