"""What a directory tells of a person, made safe to keep: types, lengths and verified addresses."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from accounts.sso.config import OidcServer

MOST_GROUPS = 1000
MAX_GROUP_CHARACTERS = 200
MAX_TEXT_CHARACTERS = 150
MAX_ADDRESS_CHARACTERS = 254
MAX_SUBJECT_CHARACTERS = 191
"""As long as the columns are in which these are stored."""


def merged(token: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """What the token and the directory say of the same person; an address is verified only where it stands."""
    both = {**token, **told}
    if told.get("email") not in (None, token.get("email")):
        both["email_verified"] = told.get("email_verified")
    return both


def subject_of(claims: Mapping[str, Any]) -> str:
    """Who it is, for ever and to this directory alone."""
    subject = str(claims["sub"])
    is_plain = len(subject) <= MAX_SUBJECT_CHARACTERS and subject.isprintable()
    return subject if is_plain else hashlib.sha256(subject.encode()).hexdigest()


def profile_of(claims: Mapping[str, Any]) -> dict[str, str]:
    """What a new account begins with; empty where it is not told."""
    name = _text(claims, "preferred_username")
    return {
        # Often an address: what stands before its @ is enough to call somebody by.
        "username": name.partition("@")[0],
        "first_name": _text(claims, "given_name"),
        "last_name": _text(claims, "family_name"),
        "name": _text(claims, "name"),
        "email": _text(claims, "email", MAX_ADDRESS_CHARACTERS).lower(),
    }


def is_address_verified(claims: Mapping[str, Any], server: OidcServer) -> bool:
    """Some directories write the truth value as a word; any other text is no yes."""
    if claims.get("email_verified") in (True, "true"):
        return True
    domain = _text(claims, "email", MAX_ADDRESS_CHARACTERS).lower().rpartition("@")[2]
    return domain in server.email_domains


def groups_of(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """The groups of the person, from one text or from a list; whatever else stands there is no group."""
    value = claims.get(name) if name else None
    values = value if isinstance(value, list) else [value]
    texts = (entry.strip() for entry in values[:MOST_GROUPS] if isinstance(entry, str))
    return tuple(dict.fromkeys(text for text in texts if 0 < len(text) <= MAX_GROUP_CHARACTERS))


def _text(claims: Mapping[str, Any], key: str, most: int = MAX_TEXT_CHARACTERS) -> str:
    value = claims.get(key)
    if not isinstance(value, str):
        return ""
    return "".join(letter for letter in value if letter.isprintable()).strip()[:most]
