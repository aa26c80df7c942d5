"""The bell, and the page of notifications."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import trigger_client_event

from accounts.models import Notification, User
from accounts.notifications import (
    mark_all_seen,
    mark_seen,
    notifications_of,
    told_since,
    unseen_of,
)
from accounts.notifications_wording import notification_title
from common.http import AuthenticatedRequest, HtmxRequest

NOTIFICATIONS_PER_PAGE = 20
NOTHING_NEW = 204


@login_required
@require_safe
def notifications(request: AuthenticatedRequest) -> HttpResponse:
    own = notifications_of(request.user)
    page = Paginator(own, NOTIFICATIONS_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "accounts/notifications.html", {"page": page})


@login_required
@require_safe
def notification_open(request: AuthenticatedRequest, notification_id: UUID) -> HttpResponse:
    """Lead to what it is about; it counts as seen even where that is gone."""
    notification = get_object_or_404(Notification, pk=notification_id, user=request.user)
    mark_seen(request.user, subject=notification.subject)
    return redirect(notification.path)


@login_required
@require_POST
def notifications_seen(request: AuthenticatedRequest) -> HttpResponse:
    mark_all_seen(request.user)
    return redirect("accounts:notifications")


@require_safe
def notification_bell(request: HtmxRequest) -> HttpResponse:
    """The bell for a page that is open already, if it has changed; what is new is told in a toast.

    Who was signed out meanwhile is not led away from what they are writing.
    """
    if not isinstance(request.user, User):
        return HttpResponse(status=NOTHING_NEW)
    known = request.GET.get("mark", "")
    unseen = unseen_of(request.user)
    if unseen.mark == known:
        return HttpResponse(status=NOTHING_NEW)
    response = render(request, "accounts/notification_bell.html", {"unseen": unseen})
    sentence = _news(told_since(request.user, _moment_of(known)))
    return trigger_client_event(response, "toast", {"value": sentence}) if sentence else response


def _moment_of(mark: str) -> datetime | None:
    """When the newest one was told that the page knows of."""
    try:
        moment = datetime.fromisoformat(mark.partition("@")[2])
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _news(told: list[Notification]) -> str:
    if len(told) == 1:
        return notification_title(told[0])
    return (
        ngettext("%(count)d new notification", "%(count)d new notifications", len(told))
        % {"count": len(told)}
        if told
        else ""
    )
