"""Whether an ID token is what the directory signed for this sign-in (OpenID Connect Core, 3.1.3.7)."""

from __future__ import annotations

import hmac
from typing import Any

import jwt

from accounts.sso.config import OidcServer
from accounts.sso.directory import Directory
from accounts.sso.errors import untrusted

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Signatures that only the directory can make; its public key must never count as a shared secret."""
CLOCK_DIFFERENCE_SECONDS = 60


def read_id_token(
    token: str, directory: Directory, server: OidcServer, nonce: str
) -> dict[str, Any]:
    """The claims in it.

    Args:
        nonce: which the browser that began was given.

    Raises:
        ForbiddenError: any of signature, issuer, audience, time, nonce or subject is not right.
        UnavailableError: the directory's keys can not be had.
    """
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key=_key_of(token, directory),
            algorithms=ALGORITHMS,
            issuer=directory.configuration["issuer"],
            audience=server.client_id,
            leeway=CLOCK_DIFFERENCE_SECONDS,
            options={"require": ["iss", "sub", "aud", "exp", "iat"]},
        )
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise untrusted(error) from error
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise untrusted("the nonce is not that of this browser")
    if not claims["sub"]:
        raise untrusted("the token names nobody")
    if claims.get("azp", server.client_id) != server.client_id:
        raise untrusted("the token was made for another program")
    return claims


def _key_of(token: str, directory: Directory) -> jwt.PyJWK:
    """The key that the token names, or the only one."""
    wanted = jwt.get_unverified_header(token).get("kid")
    keys = [
        key
        for key in jwt.PyJWKSet.from_dict(directory.keys()).keys
        if key.public_key_use in (None, "sig")
    ]
    found = [key for key in keys if key.key_id == wanted] if wanted else keys
    if len(found) != 1:
        raise untrusted("the key of the token is not among the keys of the server")
    return found[0]
