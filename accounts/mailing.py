"""Mails about what happened: at most one for each notification, in its reader's language.

The notifications are the outbox. A mail is claimed by a conditional UPDATE before it is sent, and the claim is given
back when the server did not take it. Nothing waits here: a server that fails is left alone for a while.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from smtplib import SMTPDataError, SMTPException, SMTPRecipientsRefused
from urllib.parse import urljoin, urlsplit

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db.models import QuerySet
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation

from accounts.models import Notification
from accounts.notifications_wording import JOB_KINDS, notification_text, notification_title

logger = logging.getLogger(__name__)

MAX_AGE = timedelta(hours=24)
"""Older news is no news: after a long outage nobody wants a heap of mails."""
FIRST_WAIT_SECONDS = 60
LONGEST_WAIT_SECONDS = 3600
PERMANENT_REFUSAL = 500
"""From this SMTP code on, trying again is useless."""


class BackOff:
    """How long this process leaves the mail server alone: twice as long after each failure in a row."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._over_at = float("-inf")

    @property
    def is_over(self) -> bool:
        return self._clock() >= self._over_at

    def note(self, *, has_failed: bool) -> None:
        self._failures = self._failures + 1 if has_failed else 0
        if has_failed:
            wait = FIRST_WAIT_SECONDS * 2 ** min(self._failures - 1, 10)
            self._over_at = self._clock() + min(wait, LONGEST_WAIT_SECONDS)


back_off = BackOff()
_one_round = threading.Lock()
"""A slow server must not gather all threads of a worker."""


def send_waiting_mails(limit: int = 20) -> int:
    """Send what waits and was not read in the page already; returns how many mails were sent.

    May run in any process, at any time and in several at once.
    """
    if not settings.MAIL_ENABLED or not back_off.is_over:
        return 0
    if not _one_round.acquire(blocking=False):
        return 0
    try:
        waiting = list(_waiting()[:limit])
        return _send_all(waiting) if waiting else 0
    finally:
        _one_round.release()


def _send_all(waiting: list[Notification]) -> int:
    outcomes: list[bool | None] = []
    try:
        with get_connection() as connection:
            for notification in waiting:
                outcomes.append(_send_once(notification, connection))
    except (OSError, SMTPException) as error:
        logger.warning("mail server: %s", error)
        outcomes.append(None)
    back_off.note(has_failed=None in outcomes)
    return outcomes.count(True)


def _waiting() -> QuerySet[Notification]:
    """The newest first, so that one which fails again and again holds up nobody else's."""
    return (
        Notification.objects.filter(
            kind__in=JOB_KINDS,
            mailed_at=None,
            seen_at=None,
            created_at__gt=timezone.now() - MAX_AGE,
            user__is_active=True,
            user__mails_job_end=True,
        )
        .exclude(user__email="")
        .select_related("user")
        .order_by("-created_at")
    )


def _send_once(notification: Notification, connection: BaseEmailBackend) -> bool | None:
    """True: sent. False: not ours to send, or refused for good. None: to be tried again later.

    Raises:
        OSError, SMTPException: the server is away.
    """
    claimed_at = timezone.now()
    unclaimed = Notification.objects.filter(pk=notification.pk, mailed_at=None, seen_at=None)
    if not unclaimed.update(mailed_at=claimed_at):
        return False
    try:
        return bool(connection.send_messages([_message(notification)]))
    except (SMTPRecipientsRefused, SMTPDataError) as error:
        logger.warning("mail of notification %s refused: %s", notification.pk, error)
        if _is_permanent(error):
            return False
        _give_back(notification, claimed_at)
        return None
    except ValueError:
        # An address or a header that no mail can have.
        logger.exception("mail of notification %s can not be written", notification.pk)
        return False
    except BaseException:
        _give_back(notification, claimed_at)
        raise


def _give_back(notification: Notification, claimed_at: datetime) -> None:
    Notification.objects.filter(pk=notification.pk, mailed_at=claimed_at).update(mailed_at=None)


def _is_permanent(error: SMTPRecipientsRefused | SMTPDataError) -> bool:
    if isinstance(error, SMTPDataError):
        return error.smtp_code >= PERMANENT_REFUSAL
    return all(code >= PERMANENT_REFUSAL for code, _reason in error.recipients.values())


def _message(notification: Notification) -> EmailMessage:
    user = notification.user
    with translation.override(user.language or settings.LANGUAGE_CODE):
        context = {
            "person": user,
            "text": notification_text(notification),
            "title": notification_title(notification),
            "address": _absolute(notification.path),
            "settings_address": _absolute(reverse("accounts:settings")),
        }
        body = render_to_string("accounts/notification_mail.txt", context)
        return EmailMessage(
            subject=notification_title(notification),
            body=body,
            to=[user.email],
            headers={
                "Auto-Submitted": "auto-generated",
                "Content-Language": translation.get_language(),
                "Message-ID": _message_id(notification),
            },
        )


def _message_id(notification: Notification) -> str:
    """The same for a mail whose answer was lost, so that mail programs show it once."""
    moment = int(notification.created_at.timestamp())
    return f"<{notification.pk}.{moment}@{urlsplit(settings.SITE_ADDRESS).hostname}>"


def _absolute(path: str) -> str:
    return urljoin(settings.SITE_ADDRESS + "/", path)
