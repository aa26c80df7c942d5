"""Before the start, in a browser: what a job will take, what is unwise about it, and changes by one click."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Visitor
from tests.e2e.test_main_flow import JOB_ADDRESS, LEVEL_1, sign_up, upload_dataset

pytestmark = pytest.mark.e2e

MEASURED_LIMIT_SECONDS = 180
RATE, EPOCHS = "[name='training_config.learning_rate']", "[name='training_config.num_epochs']"


def open_form(page: Page, username: str) -> None:
    sign_up(page, username)
    upload_dataset(page, LEVEL_1, "Level 1")
    page.locator("a[href*='/training/new/?dataset=']").first.click()
    page.wait_for_url("**/training/new/**")


def wait_for_a_time(page: Page) -> None:
    """The worker measures its engine by itself, as soon as it has nothing else to do."""
    for _second in range(MEASURED_LIMIT_SECONDS):
        if page.locator(".forecast__time").count():
            return
        page.wait_for_timeout(1000)
        page.reload()
    pytest.fail("no worker has measured the base model")


def test_what_is_unwise_is_told_and_mended_by_a_click(visit: Callable[..., Visitor]) -> None:
    visitor = visit("en", viewport={"width": 1280, "height": 900})
    page = visitor.page
    open_form(page, "preflight-en")
    wait_for_a_time(page)
    expect(page.locator("#job-rows .token-row")).to_have_count(3)
    visitor.check_accessible()

    page.fill(RATE, "0.05")
    advice = page.locator(".advice__item--danger")
    expect(advice).to_be_visible()
    visitor.check_accessible()
    advice.locator("[data-changes]").click()
    expect(page.locator(RATE)).to_have_value("0.002")
    expect(advice).to_have_count(0)
    expect(page.locator("[name=training_config_preset][value=own]")).to_be_checked()
    expect(page.locator("#job-plan")).to_be_focused()

    page.fill(EPOCHS, "100")
    page.fill("#fit-minutes", "0.5")
    page.press("#fit-minutes", "Enter")
    page.locator("#fit-result [data-changes]").click()
    assert int(page.input_value(EPOCHS)) < 100
    expect(page.locator("#fit-result")).to_be_empty()

    page.fill("[name=prediction]", "It will know the five answers.")
    page.fill(EPOCHS, "1")
    page.locator("#start-button").click()
    page.wait_for_url(JOB_ADDRESS)


def test_the_page_holds_on_a_phone_in_japanese(visit: Callable[..., Visitor]) -> None:
    visitor = visit("ja", viewport={"width": 360, "height": 800})
    page = visitor.page
    open_form(page, "preflight-ja")
    wait_for_a_time(page)
    expect(page.locator("#job-rows .token-row")).to_have_count(3)
    visitor.check_accessible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
