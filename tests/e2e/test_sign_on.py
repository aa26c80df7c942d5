"""Signing in through the school's directory, in a browser that holds our pages to their policy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from accounts.tests.oidc_server import CLIENT_ID, CLIENT_SECRET, oidc_server
from conftest import create_home
from tests.e2e.product import Product

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    home = create_home(tmp_path_factory.mktemp("school") / "home")
    with oidc_server() as directory:
        running = Product(
            home.root,
            LLMLORA_OIDC_SERVER_URL=directory.url,
            LLMLORA_OIDC_CLIENT_ID=CLIENT_ID,
            LLMLORA_OIDC_CLIENT_SECRET=CLIENT_SECRET,
            LLMLORA_OIDC_NAME="School",
        )
        try:
            running.wait_ready()
            yield running
        finally:
            running.stop()


def test_the_button_leads_there_and_back(browser: Browser, school: Product) -> None:
    """The directory is another origin, to which no form of ours may be sent, not even by a redirect."""
    problems: list[str] = []
    page = browser.new_context(base_url=school.address, locale="en-GB").new_page()
    page.on("console", lambda message: problems.append(message.text))
    page.goto("/accounts/login/?next=/settings/")
    page.get_by_role("button", name="Sign in with School").click()
    page.wait_for_url("**/settings/", timeout=120_000)
    expect(page.get_by_text("You can sign in through School.")).to_be_visible()
    assert problems == []
    page.context.close()
