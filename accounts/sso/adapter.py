"""To whom somebody belongs who comes from the directory: to an account that is theirs, or to a new one."""

from __future__ import annotations

from typing import Any

from allauth.account.internal.userkit import filter_users_by_email
from allauth.account.models import EmailAddress
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin
from allauth.socialaccount.providers.base import Provider
from django.conf import settings
from django.http import HttpRequest

from accounts.models import User
from accounts.sso.errors import address_taken

DISPLAY_NAME_CHARACTERS = 80


class SsoAdapter(DefaultSocialAccountAdapter):
    def get_provider(
        self, request: HttpRequest, provider: str, client_id: str | None = None
    ) -> Provider:
        """The directory of the settings, whatever rows say: it has one source."""
        if settings.OIDC is None:
            raise SocialApp.DoesNotExist
        # It loads an HTTP client and a cryptography library, which an installation without a directory never needs.
        from accounts.sso.provider import DirectoryProvider

        return DirectoryProvider(request, settings.OIDC)

    def list_providers(self, request: HttpRequest) -> list[Provider]:
        """None of allauth's own pages offers it: the sign-in page and the settings do."""
        return []

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """The directory decides who may come, also where nobody can sign up by a form."""
        return True

    def authenticate_by_email(self, sociallogin: SocialLogin) -> tuple[User, str] | None:
        """An account of ours whose address both sides have verified, and that nobody else of the directory has.

        A directory may give the address of somebody who has left to somebody new.
        """
        for address in sociallogin.email_addresses:
            if not address.verified:
                continue
            own = EmailAddress.objects.filter(email__iexact=address.email, verified=True)
            for found in own.select_related("user"):
                if not is_connected(found.user, sociallogin.account.provider):
                    return found.user, found.email
        return None

    def is_auto_signup_allowed(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """
        Raises:
            ForbiddenError: somebody has an account with this address.
        """
        for address in sociallogin.email_addresses:
            if filter_users_by_email(address.email):
                raise address_taken(address.email)
        return True

    def populate_user(
        self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]
    ) -> User:
        user: User = super().populate_user(request, sociallogin, data)
        user.display_name = (data.get("name") or user.get_full_name())[:DISPLAY_NAME_CHARACTERS]
        return user


def is_connected(user: User, issuer: str) -> bool:
    return SocialAccount.objects.filter(user=user, provider=issuer).exists()
