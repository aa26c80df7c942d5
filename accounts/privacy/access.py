"""End what lets a person in: browsers that are signed in, and API tokens."""

from __future__ import annotations

from collections.abc import Iterator

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session

from accounts.models import IdempotencyKey, User


def sessions_of(user: User) -> Iterator[Session]:
    """All are read: whose one is stands inside of it."""
    for session in Session.objects.iterator():
        if session.get_decoded().get(SESSION_KEY) == str(user.pk):
            yield session


def end_sessions(user: User) -> None:
    keys = [session.pk for session in sessions_of(user)]
    Session.objects.filter(pk__in=keys).delete()


def end_tokens(user: User) -> None:
    user.api_tokens.all().delete()
    IdempotencyKey.objects.filter(user=user).delete()
