"""What every page shows, whoever renders it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

THEMES = ("system", "light", "dark")
THEME_COOKIE = "theme"


def page(request: HttpRequest) -> dict[str, Any]:
    """Theme, version and whether people may sign up by themselves."""
    theme = request.COOKIES.get(THEME_COOKIE, "system")
    return {
        "theme": theme if theme in THEMES else "system",
        "llmlora_version": settings.VERSION,
        "is_signup_open": settings.LLMLORA_SIGNUP_OPEN,
    }
