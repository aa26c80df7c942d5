"""Connect an account that exists with its person in the directory, so that it opens from there."""

from __future__ import annotations

from typing import Any

from allauth.socialaccount.models import SocialAccount, SocialLogin
from django.db import transaction
from django.urls import reverse

from accounts.models import User
from accounts.notifications import notify
from accounts.sso.config import the_server
from accounts.sso.errors import belongs_to_another, has_another


@transaction.atomic
def connect(person: User, login: SocialLogin) -> None:
    """Twice does no more than once.

    Raises:
        ForbiddenError: one of both is connected with somebody else.
    """
    User.objects.select_for_update().get(pk=person.pk)
    issuer, subject = login.account.provider, login.account.uid
    if owner := SocialAccount.objects.filter(provider=issuer, uid=subject).first():
        if owner.user_id != person.pk:
            raise belongs_to_another()
        return
    if SocialAccount.objects.filter(user=person, provider=issuer).exists():
        raise has_another()
    SocialAccount.objects.create(user=person, provider=issuer, uid=subject)
    _tell(person)


def hear_connected(*, sociallogin: SocialLogin, **_: Any) -> None:
    """An account was found by its address."""
    _tell(sociallogin.user)


def _tell(person: User) -> None:
    """Whoever has the account hears of it, so that it never happens in silence."""
    notify(
        person.pk,
        kind="sso_connected",
        subject=f"sso:{person.pk}",
        params={"name": the_server().name},
        path=reverse("accounts:settings"),
    )
