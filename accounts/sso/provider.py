"""How allauth knows the directory: where it sends people, and what it makes of who comes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from django.http import HttpRequest
from django.urls import reverse
from django.utils.crypto import get_random_string

from accounts.sso.claims import is_address_verified, merged, profile_of, subject_of
from accounts.sso.config import OidcServer
from accounts.sso.directory import Directory
from accounts.sso.errors import untrusted
from accounts.sso.id_tokens import read_id_token

NONCE_CHARACTERS = 32


class DirectoryProvider(OpenIDConnectProvider):
    """The one directory of this installation. Its issuer is kept with each account: another one's people are others."""

    pkce_enabled_default = True

    def __init__(self, request: HttpRequest, server: OidcServer) -> None:
        app = SocialApp(
            provider=self.id,
            provider_id=server.url,
            name=server.name,
            client_id=server.client_id,
            secret=server.client_secret,
            settings={"server_url": server.url},
        )
        super().__init__(request, app=app)
        self.server = server
        self.directory = Directory(server)

    def address_to_sign_in(self, process: str, next_url: str | None) -> str:
        """Where the browser goes next; what it must come back with is kept in its session."""
        nonce = get_random_string(NONCE_CHARACTERS)
        challenge = self.get_pkce_params()
        verifier = challenge.pop("code_verifier")
        address = self.directory.configuration["authorization_endpoint"]
        state = self.stash_redirect_state(
            self.request,
            process,
            next_url,
            {"nonce": nonce, "person": self.request.user.pk},
            pkce_code_verifier=verifier,
        )
        parameters = challenge | {
            "client_id": self.server.client_id,
            "redirect_uri": self._callback(),
            "response_type": "code",
            "scope": self.server.scope,
            "state": state,
            "nonce": nonce,
        }
        return f"{address}{'&' if '?' in address else '?'}{urlencode(parameters)}"

    def claims_of(self, code: str, state: Mapping[str, Any]) -> dict[str, Any]:
        """Everything that the directory tells of whoever brought the code.

        Raises:
            UnavailableError: it does not answer.
            ForbiddenError: it tells nothing that can be trusted.
        """
        tokens = self.directory.redeem(
            code, callback=self._callback(), verifier=state["pkce_code_verifier"]
        )
        claims = read_id_token(tokens.identity, self.directory, self.server, state["data"]["nonce"])
        told = self.directory.person(tokens.access)
        if told and told.get("sub") != claims["sub"]:
            raise untrusted("the directory tells of somebody else than the token does")
        return merged(claims, told)

    def _callback(self) -> str:
        return self.request.build_absolute_uri(reverse("sso:callback"))

    def login_of(self, claims: Mapping[str, Any]) -> SocialLogin:
        return self.sociallogin_from_response(self.request, claims)

    def extract_uid(self, data: Mapping[str, Any]) -> str:
        return subject_of(data)

    def extract_common_fields(self, data: Mapping[str, Any]) -> dict[str, str]:
        return profile_of(data)

    def extract_email_addresses(self, data: Mapping[str, Any]) -> list[EmailAddress]:
        if not (address := profile_of(data)["email"]):
            return []
        is_verified = is_address_verified(data, self.server)
        return [EmailAddress(email=address, verified=is_verified, primary=True)]

    def extract_extra_data(self, _data: Mapping[str, Any]) -> dict[str, Any]:
        """Nothing of it is needed later, so nothing is kept."""
        return {}
