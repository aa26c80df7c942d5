"""The directory's own answers: its configuration, its keys, and what it tells of a person."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import quote

import requests

from accounts.sso.config import DISCOVERY_PATH, OidcServer
from accounts.sso.errors import away, untrusted

TIMEOUT_SECONDS = 5
REFUSED = 400


class Tokens(NamedTuple):
    """access opens what the directory tells of a person; identity is signed, and says who it is."""

    access: str
    identity: str


class Directory:
    """Asked anew at each sign-in, so that changed keys and addresses count at once."""

    def __init__(self, server: OidcServer) -> None:
        self._server = server

    @cached_property
    def configuration(self) -> dict[str, Any]:
        """
        Raises:
            UnavailableError: it does not answer, or lacks what is needed.
            ForbiddenError: it speaks for another issuer.
        """
        found = _asked(self._server.url + DISCOVERY_PATH)
        for key in ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not isinstance(found.get(key), str):
                raise away(f"its configuration has no {key}")
        if found["issuer"].rstrip("/") != self._server.url:
            raise untrusted(f"{self._server.url} speaks for another issuer, {found['issuer']}")
        return found

    def redeem(self, code: str, *, callback: str, verifier: str) -> Tokens:
        """The access token and the ID token for a code.

        Args:
            callback: the address to which the code was sent.
            verifier: the secret that proves that we began.

        Raises:
            UnavailableError: it does not answer.
            ForbiddenError: it does not take the code.
        """
        server = self._server
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": callback,
            "code_verifier": verifier,
            "client_id": server.client_id,
        }
        pair = None
        if server.client_secret and self._takes_secret_in_header():
            pair = (quote(server.client_id, safe=""), quote(server.client_secret, safe=""))
        elif server.client_secret:
            fields["client_secret"] = server.client_secret
        address = self.configuration["token_endpoint"]
        answer = _object(lambda: requests.post(address, fields, auth=pair, timeout=TIMEOUT_SECONDS))
        access, identity = answer.get("access_token"), answer.get("id_token")
        if not isinstance(access, str) or not isinstance(identity, str):
            raise untrusted(f"no tokens for the code: {answer.get('error', 'nothing is said')}")
        return Tokens(access, identity)

    def _takes_secret_in_header(self) -> bool:
        """As the standard has it where nothing is said; in the body where both are possible."""
        methods = self.configuration.get(
            "token_endpoint_auth_methods_supported", ["client_secret_basic"]
        )
        return "client_secret_post" not in methods

    def keys(self) -> dict[str, Any]:
        return _asked(self.configuration["jwks_uri"])

    def person(self, access_token: str) -> dict[str, Any]:
        """What it tells beyond the token; nothing where it has no address for that."""
        address = self.configuration.get("userinfo_endpoint")
        if not isinstance(address, str):
            return {}
        return _asked(address, {"Authorization": f"Bearer {access_token}"})


def _asked(address: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    return _object(lambda: requests.get(address, headers=headers, timeout=TIMEOUT_SECONDS))


def _object(ask: Callable[[], requests.Response]) -> dict[str, Any]:
    """The JSON object of an answer; one that refuses something may say why."""
    try:
        response = ask()
        if response.status_code != REFUSED:
            response.raise_for_status()
        found = response.json()
    except requests.RequestException as error:
        raise away(error) from error
    if not isinstance(found, dict):
        raise away(f"{response.url} answers with no object")
    return found
