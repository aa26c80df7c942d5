"""The bell of the site header, and notifications as sentences."""

from __future__ import annotations

from django import template

from accounts.models import Notification, User
from accounts.notifications import Unseen, unseen_of
from accounts.notifications_wording import notification_text, notification_title

register = template.Library()


@register.simple_tag
def unseen_notifications(user: User) -> Unseen:
    """Asked for where the bell is drawn only, so that a fragment costs no query."""
    return unseen_of(user)


@register.filter
def title_of(notification: Notification) -> str:
    return notification_title(notification)


@register.filter
def text_of(notification: Notification) -> str:
    return notification_text(notification)
