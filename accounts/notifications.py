"""Things that happened while a person may have been elsewhere: told, counted, read.

subject is the id of what it is about, the same for everything that is told of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, QuerySet
from django.utils import timezone

from accounts.models import Notification, User

KEPT_FOR = timedelta(days=90)
"""After this a notification that was seen is old news; what it was about stays."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """What the bell shows: how many there are, and since when the newest one."""

    count: int
    newest_at: datetime | None

    @property
    def mark(self) -> str:
        """The same text as long as nothing has changed."""
        return f"{self.count}@{self.newest_at.isoformat()}" if self.newest_at else ""


@dataclass(frozen=True, slots=True)
class News:
    """What one person is told, and the page that it leads to."""

    user_id: int
    subject: str
    params: dict[str, Any]
    path: str


def notify(user_id: int, *, kind: str, subject: str, params: dict[str, Any], path: str) -> None:
    """Tell a person of something, in the caller's transaction.

    There is one notification for a kind and subject: told again, it is new again, to be seen and mailed once more.
    What was told of the subject before is out of date, so it counts as seen.
    """
    notify_each(kind, [News(user_id, subject, params, path)])


def notify_each(kind: str, news: Iterable[News]) -> None:
    """As notify, for several people; in two queries.

    Args:
        news: their subjects are those of one thing, or each that of one person alone.
    """
    told = list(news)
    if not told:
        return
    Notification.objects.filter(
        user_id__in={item.user_id for item in told},
        subject__in={item.subject for item in told},
        seen_at=None,
    ).exclude(kind=kind).update(seen_at=timezone.now())
    Notification.objects.bulk_create(
        [
            Notification(
                user_id=item.user_id,
                kind=kind,
                subject=item.subject,
                params=item.params,
                path=item.path,
            )
            for item in told
        ],
        update_conflicts=True,
        unique_fields=["user", "kind", "subject"],
        update_fields=["params", "path", "created_at", "seen_at", "mailed_at"],
    )


def notifications_of(user: User, *, only_unseen: bool = False) -> QuerySet[Notification]:
    """A person's own, newest first."""
    own = Notification.objects.filter(user=user)
    return own.filter(seen_at=None) if only_unseen else own


def unseen_of(user: User) -> Unseen:
    """In one cheap query: every page asks."""
    found = notifications_of(user, only_unseen=True).aggregate(
        count=Count("pk"), newest_at=Max("created_at")
    )
    return Unseen(**found)


def told_since(user: User, moment: datetime | None) -> list[Notification]:
    """The unseen ones after a moment, newest first; without one, all of them."""
    unseen = notifications_of(user, only_unseen=True)
    return list(unseen.filter(created_at__gt=moment) if moment else unseen)


def mark_seen(user: User, *, subject: str) -> None:
    """The person looks at what the notification is about. Writes only where there is something to mark."""
    found = notifications_of(user, only_unseen=True).filter(subject=subject)
    if found.exists():
        found.update(seen_at=timezone.now())


def mark_all_seen(user: User, ids: Iterable[UUID] | None = None) -> None:
    """Mark those with the given ids, or all; others' and unknown ones are passed over."""
    found = notifications_of(user, only_unseen=True)
    if ids is not None:
        found = found.filter(pk__in=list(ids))
    found.update(seen_at=timezone.now())


def forget(*, subject: str) -> None:
    """What it was about is deleted, so it leads nowhere any more."""
    Notification.objects.filter(subject=subject).delete()


def withdraw(*, kind: str, subjects: Iterable[str], user_id: int | None = None) -> None:
    """What was told is true no more; what else was told of the subjects stays.

    Args:
        user_id: the only person for whom it is so; everybody unless told otherwise.
    """
    found = Notification.objects.filter(kind=kind, subject__in=list(subjects))
    if user_id is not None:
        found = found.filter(user_id=user_id)
    found.delete()


def purge_seen() -> int:
    """Delete what was seen long ago; what nobody has seen yet stays, however old. Returns how many.

    Twice does no more than once.
    """
    deleted, _by_model = Notification.objects.filter(seen_at__lt=timezone.now() - KEPT_FOR).delete()
    return deleted
