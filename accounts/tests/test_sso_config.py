"""The directory that the environment names, and what an installation without one is spared."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from accounts.sso.config import OidcServer, read_oidc_server

URL = {"LLMLORA_OIDC_SERVER_URL": "https://login.school.example/realms/school"}
NEEDED = URL | {"LLMLORA_OIDC_CLIENT_ID": "classroom"}
PROGRAM = """
import sys, django
django.setup()
from django.urls import NoReverseMatch, reverse
try:
    print(reverse("sso:callback"))
except NoReverseMatch:
    print("none")
print(sorted({"requests", "jwt"} & set(sys.modules)))
"""


def test_an_empty_environment_names_no_directory() -> None:
    assert read_oidc_server({}) is None
    assert read_oidc_server({"LLMLORA_OIDC_NAME": " "}) is None


def test_what_is_not_said_has_a_default() -> None:
    assert read_oidc_server(NEEDED) == OidcServer(
        url="https://login.school.example/realms/school",
        client_id="classroom",
        name="SSO",
        scope="openid profile email",
    )


def test_everything_can_be_said() -> None:
    server = read_oidc_server(
        NEEDED
        | {
            "LLMLORA_OIDC_CLIENT_SECRET": "hush",
            "LLMLORA_OIDC_NAME": "School",
            "LLMLORA_OIDC_SCOPE": "openid email groups",
            "LLMLORA_OIDC_GROUPS_CLAIM": "groups",
            "LLMLORA_OIDC_EMAIL_DOMAINS": "School.example, , pupils.example",
        }
    )
    assert server is not None
    assert (server.client_secret, server.name, server.groups_claim) == ("hush", "School", "groups")
    assert server.scope == "openid email groups"
    assert server.email_domains == ("school.example", "pupils.example")
    assert "hush" not in repr(server)


@pytest.mark.parametrize(
    "url",
    [
        "https://login.school.example/realms/school/",
        "https://login.school.example/realms/school/.well-known/openid-configuration",
    ],
    ids=["slash", "discovery"],
)
def test_the_address_may_be_written_as_servers_show_it(url: str) -> None:
    server = read_oidc_server(NEEDED | {"LLMLORA_OIDC_SERVER_URL": url})
    assert server is not None
    assert server.url == "https://login.school.example/realms/school"


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        (URL, "LLMLORA_OIDC_CLIENT_ID is missing"),
        ({"LLMLORA_OIDC_CLIENT_ID": "a"}, "no effect without LLMLORA_OIDC_SERVER_URL"),
        ({"LLMLORA_OIDC_GROUPS_CLAIM": "a"}, "LLMLORA_OIDC_GROUPS_CLAIM has no effect"),
        (NEEDED | {"LLMLORA_OIDC_SERVER_URL": "login.school.example"}, "must be an address"),
        (NEEDED | {"LLMLORA_OIDC_SERVER_URL": "ftp://school.example"}, "must be an address"),
        (NEEDED | {"LLMLORA_OIDC_SERVER_URL": "http://school.example"}, "begin with https://"),
        (NEEDED | {"LLMLORA_OIDC_SERVER_URL": "https://a:b@school.example"}, "user name"),
        (NEEDED | {"LLMLORA_OIDC_SERVER_URL": "https://school.example?a=b"}, "without"),
        (NEEDED | {"LLMLORA_OIDC_SERVER_URL": "https://s.example/" + "a" * 200}, "at most 200"),
        (NEEDED | {"LLMLORA_OIDC_SCOPE": "email"}, "must hold the word openid"),
        (NEEDED | {"LLMLORA_OIDC_NAME": "n" * 41}, "at most 40 characters"),
    ],
    ids=[
        "no client",
        "no server",
        "claim alone",
        "no scheme",
        "other scheme",
        "plain",
        "password",
        "query",
        "long",
        "scope",
        "name",
    ],
)
def test_what_can_not_be_used_is_said_at_the_start(environment: dict[str, str], words: str) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        read_oidc_server(environment)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("environment", "address"),
    [({}, "none"), (NEEDED, "/accounts/sso/callback/")],
    ids=["without", "with"],
)
def test_the_environment_alone_switches_it_on(
    environment: dict[str, str], address: str, tmp_path: Path
) -> None:
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "LLMLORA_HOME": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert told[0] == address
    assert told[1] == ("['jwt', 'requests']" if environment else "[]")
