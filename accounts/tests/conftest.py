"""A school's directory for tests that sign in through one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from accounts.tests.oidc_server import OidcTestServer, oidc_server
from accounts.tests.sso_flow import server_settings


@pytest.fixture
def directory(settings: Any) -> Iterator[OidcTestServer]:
    with oidc_server() as server:
        settings.OIDC = server_settings(server)
        settings.ROOT_URLCONF = "accounts.tests.sso_urls"
        yield server
