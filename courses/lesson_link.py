"""The way back to the lesson, on the pages that a step leads to."""

from __future__ import annotations

from django.http import HttpRequest

KEY = "lesson"


def remember_lesson(request: HttpRequest, *, address: str, title: str) -> None:
    """From now on other pages show the way back to this step."""
    request.session[KEY] = {"address": address, "title": title}


def lesson(request: HttpRequest) -> dict[str, dict[str, str]]:
    """For templates: `lesson`, where there is one."""
    if not hasattr(request, "session") or not request.user.is_authenticated:
        return {}
    found = request.session.get(KEY)
    return {"lesson": found} if found else {}
