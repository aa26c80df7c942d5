"""Browser and product for the tests that use llmlora as a person does."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from conftest import create_home
from engine.tests.factories import make_tiny_base_model
from tests.e2e.product import Product

AXE_RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    }
}
# Debian's browser runs as root in CI, and a closed network must not slow it down.
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PAGE_LIMIT_MILLISECONDS = 20_000


@dataclass
class Visitor:
    """One person's browser: a page, and everything that went wrong in it."""

    page: Page
    language: str
    problems: list[str] = field(default_factory=list)

    def check_accessible(self) -> None:
        """No violation of WCAG 2.2 AA or of axe's best practice on the page as it is now."""
        # What lies under a sticky header or composer would count as hidden: the window is as high as the page.
        self.page.evaluate("window.scrollTo(0, 0)")
        window = self.page.viewport_size
        assert window is not None
        height = self.page.evaluate("document.documentElement.scrollHeight")
        self.page.set_viewport_size({"width": window["width"], "height": height})
        found = Axe().run(self.page, options=AXE_RULES)
        self.page.set_viewport_size(window)
        assert found.violations_count == 0, found.generate_report()

    def note(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.problems.append(f"{self.page.url}: {message.text}")


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    home = create_home(tmp_path_factory.mktemp("e2e") / "home")
    # A base model whose jobs take a second, beside the bundled one.
    make_tiny_base_model(home.local_models / "tiny")
    running = Product(home.root)
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = (
        os.environ.get("LLMLORA_CHROMIUM")
        or shutil.which("chromium")
        or shutil.which("google-chrome")
    )
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def visit(browser: Browser, product: Product, tmp_path: Path) -> Iterator[Callable[[str], Visitor]]:
    """Open a fresh browser profile in a language; at the end it must have met no script or policy error."""
    visitors: list[Visitor] = []

    def open_page(language: str, **options: object) -> Visitor:
        context = browser.new_context(
            base_url=product.address,
            locale={"ja": "ja-JP", "en": "en-GB"}[language],
            reduced_motion="reduce",
            accept_downloads=True,
            **options,
        )
        context.set_default_timeout(PAGE_LIMIT_MILLISECONDS)
        page = context.new_page()
        visitor = Visitor(page, language)
        page.on("console", visitor.note)
        page.on("pageerror", lambda error: visitor.problems.append(str(error)))
        visitors.append(visitor)
        return visitor

    yield open_page
    for visitor in visitors:
        visitor.page.context.close()
        assert visitor.problems == []
