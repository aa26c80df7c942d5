"""What the page about a person's data shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from django.apps import apps
from django.utils import timezone

from accounts.models import DataRequest, User
from accounts.privacy.asking import can_be_cancelled
from accounts.privacy.exporting import KEPT_FOR
from common.personal_data import parts

SHOWN = 20
Kind = DataRequest.Kind
State = DataRequest.State


@dataclass(frozen=True, slots=True)
class ShownRequest:
    """A request with what can be done about it.

    Attributes:
        kept_until: until when its archive can be downloaded; None where there is none (any more).
    """

    request: DataRequest
    can_be_cancelled: bool
    kept_until: datetime | None


def page_context(person: User) -> dict[str, Any]:
    asked = DataRequest.objects.filter(person=person).select_related("cohort", "requested_by")
    requests = list(asked.order_by("-created_at")[:SHOWN])
    running = [request for request in requests if request.state in DataRequest.OPEN]
    return {
        "kept": kept_data(),
        "requests": [
            ShownRequest(request, can_be_cancelled(request), kept_until(request))
            for request in requests
        ],
        "is_export_open": any(request.kind == Kind.EXPORT for request in running),
        "erasure": next((request for request in running if request.kind == Kind.ERASE), None),
    }


def kept_data() -> list[tuple[str, list[str]]]:
    """The areas of the product, and the sentences about what each keeps."""
    return [
        (str(apps.get_app_config(app).verbose_name), [str(part.describe) for part in group])
        for app, group in groupby(parts(), key=lambda part: part.app)
    ]


def kept_until(request: DataRequest) -> datetime | None:
    """Until when its archive can be downloaded; None where there is none, or not any more."""
    if request.state != State.DONE or not request.path or request.finished_at is None:
        return None
    until = request.finished_at + KEPT_FOR
    return until if until > timezone.now() else None
