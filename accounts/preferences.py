"""A person's language and theme: kept with the account, and in cookies so that every page has them without a query."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpResponseBase

from accounts.models import User
from common.context_processors import THEME_COOKIE

THEME_COOKIE_SECONDS = 365 * 24 * 3600


def restore_preferences(response: HttpResponseBase, user: User) -> None:
    """Bring what was chosen elsewhere to this browser; what was never chosen leaves the browser's own choice."""
    if user.language:
        set_language_cookie(response, user.language)
    if user.theme != User.Theme.SYSTEM:
        set_theme_cookie(response, user.theme)


def set_theme_cookie(response: HttpResponseBase, theme: str) -> None:
    response.set_cookie(
        THEME_COOKIE,
        theme,
        max_age=THEME_COOKIE_SECONDS,
        samesite="Lax",
        httponly=True,
        secure=settings.SESSION_COOKIE_SECURE,
    )


def set_language_cookie(response: HttpResponseBase, language: str) -> None:
    """The cookie that Django's own language switch writes; no language goes back to the browser's."""
    if not language:
        response.delete_cookie(settings.LANGUAGE_COOKIE_NAME, samesite="Lax")
        return
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        path=settings.LANGUAGE_COOKIE_PATH,
        domain=settings.LANGUAGE_COOKIE_DOMAIN,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
        samesite="Lax",
    )
