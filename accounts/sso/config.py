"""The directory that the environment names.

Read while the settings are, so nothing here needs a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

PREFIX = "LLMLORA_OIDC_"
DISCOVERY_PATH = "/.well-known/openid-configuration"
DEFAULT_NAME = "SSO"
DEFAULT_SCOPE = "openid profile email"
MAX_NAME_CHARACTERS = 40
MAX_URL_CHARACTERS = 200
"""It is stored with each account that belongs to it."""
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")

_KNOWN = (
    "SERVER_URL",
    "CLIENT_ID",
    "CLIENT_SECRET",
    "NAME",
    "SCOPE",
    "GROUPS_CLAIM",
    "EMAIL_DOMAINS",
)


@dataclass(frozen=True, slots=True)
class OidcServer:
    """The directory, and how we are known to it.

    Attributes:
        url: its issuer, without a slash at the end.
        name: as the button of the sign-in page calls it.
        groups_claim: under which name it tells the groups of a person; empty where classes are joined otherwise.
        email_domains: whose addresses count as verified, though it does not say so of each.
    """

    url: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    name: str = DEFAULT_NAME
    scope: str = DEFAULT_SCOPE
    groups_claim: str = ""
    email_domains: tuple[str, ...] = ()


def the_server() -> OidcServer:
    """The directory of this installation, for what is reached only where there is one."""
    server: OidcServer | None = settings.OIDC
    if server is None:
        raise ImproperlyConfigured("No directory is set, and a page of it was asked for.")
    return server


def read_oidc_server(environment: Mapping[str, str]) -> OidcServer | None:
    """
    Raises:
        ImproperlyConfigured: something in it can not be used.
    """
    values = {key: environment.get(PREFIX + key, "").strip() for key in _KNOWN}
    if not values["SERVER_URL"]:
        if given := [key for key in _KNOWN if values[key]]:
            raise _fault(
                given[0], "has no effect without LLMLORA_OIDC_SERVER_URL; set both or none"
            )
        return None
    if not values["CLIENT_ID"]:
        raise _fault(
            "CLIENT_ID",
            "is missing; it is the name under which the directory knows this installation",
        )
    scope = values["SCOPE"] or DEFAULT_SCOPE
    if "openid" not in scope.split():
        raise _fault(
            "SCOPE", f"must hold the word openid, for example {DEFAULT_SCOPE + ' groups'!r}"
        )
    if len(values["NAME"]) > MAX_NAME_CHARACTERS:
        raise _fault("NAME", f"must have at most {MAX_NAME_CHARACTERS} characters")
    domains = [domain.strip().lower() for domain in values["EMAIL_DOMAINS"].split(",")]
    return OidcServer(
        url=_server_url(values["SERVER_URL"]),
        client_id=values["CLIENT_ID"],
        client_secret=values["CLIENT_SECRET"],
        name=values["NAME"] or DEFAULT_NAME,
        scope=scope,
        groups_claim=values["GROUPS_CLAIM"],
        email_domains=tuple(domain for domain in domains if domain),
    )


def _server_url(text: str) -> str:
    url = text.removesuffix(DISCOVERY_PATH).rstrip("/")
    parts = urlsplit(url)
    is_local = parts.hostname in LOCAL_HOSTS
    if not parts.hostname or parts.scheme not in ("https", "http"):
        raise _fault("SERVER_URL", "must be an address such as https://login.school.example")
    if parts.scheme == "http" and not is_local:
        raise _fault("SERVER_URL", "must begin with https://; without it anybody could pretend")
    if parts.username is not None or parts.query or parts.fragment:
        raise _fault("SERVER_URL", "must stand without a user name, ? and #")
    if len(url) > MAX_URL_CHARACTERS:
        raise _fault("SERVER_URL", f"must have at most {MAX_URL_CHARACTERS} characters")
    return url


def _fault(key: str, sentence: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{PREFIX}{key} {sentence}.")
