"""Whether the pages offer to sign in through a directory, and whether somebody is connected with it."""

from __future__ import annotations

from allauth.socialaccount.models import SocialAccount
from django import template
from django.conf import settings

from accounts.models import User

register = template.Library()


@register.simple_tag
def sso_name() -> str:
    """What the directory is called; empty where there is none."""
    return settings.OIDC.name if settings.OIDC else ""


@register.simple_tag
def is_sso_connected(user: User) -> bool:
    if not settings.OIDC:
        return False
    return SocialAccount.objects.filter(user=user, provider=settings.OIDC.url).exists()
