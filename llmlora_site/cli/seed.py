"""The first instructor, and the way in at the first start."""

from __future__ import annotations

import os

ADMIN_USERNAME = "admin"


def seed_admin() -> None:
    """Make the owner of the installation when there is nobody yet."""
    from accounts.models import User

    if User.objects.exists():
        return
    password = os.environ.get("LLMLORA_ADMIN_PASSWORD") or None
    # Without a password the account can only be entered through the one-time link.
    User.objects.create_superuser(ADMIN_USERNAME, "", password)


def sign_in_link(address: str) -> str | None:
    """A fresh one-time link for the owner, or None once they have signed in."""
    from django.urls import reverse
    from sesame.utils import get_query_string

    from accounts.models import User

    admin = User.objects.filter(username=ADMIN_USERNAME, is_active=True).first()
    if admin is None or admin.last_login is not None:
        return None
    return f"{address}{reverse('accounts:sign_in')}{get_query_string(admin)}"
