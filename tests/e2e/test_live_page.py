"""The page of a running job: its axes survive a reload, the projector follows, a cancelled job goes on."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Visitor
from tests.e2e.test_main_flow import LEVEL_1, sign_up, start_job, upload_dataset

pytestmark = pytest.mark.e2e

JOB_LIMIT_MILLISECONDS = 600_000


def wait_for_another_step(page: Page, numbers: str) -> None:
    """What the page shows changes without a reload."""
    before = page.locator(numbers).inner_text()
    expect(page.locator(numbers)).not_to_have_text(before, timeout=60_000)


def test_a_job_is_watched_in_every_way_cancelled_and_resumed(
    visit: Callable[..., Visitor],
) -> None:
    visitor = visit("en", viewport={"width": 1280, "height": 800})
    page = visitor.page
    sign_up(page, "student-watches")
    upload_dataset(page, LEVEL_1, "Level 1")
    start_job(page, "Watched", epochs=100)
    job = page.url
    expect(page.locator("#chart-loss")).to_be_visible(timeout=JOB_LIMIT_MILLISECONDS)

    page.get_by_role("link", name="Time", exact=True).click()
    page.wait_for_url("**?x=time#curves")
    page.reload()
    expect(page.locator("#chart-loss")).to_contain_text("of training")
    wait_for_another_step(page, "#job-status .job-progress__text")
    expect(page.locator("#chart-loss")).to_contain_text("of training")

    page.get_by_role("link", name="Projector view").click()
    page.wait_for_url("**view=projector**")
    expect(page.locator("body")).not_to_contain_text("student-watches")
    wait_for_another_step(page, "#job-projector .projector__numbers")
    visitor.check_accessible()
    page.get_by_role("link", name="Back to the page of the job").click()
    page.wait_for_url(re.compile(r"/\?x=time$"))

    page.locator("#job-actions button[popovertarget=cancel-dialog]").click()
    page.locator("#cancel-dialog button[type=submit]").click()
    expect(page.locator("#job-status")).to_have_attribute("data-over", "", timeout=30_000)
    expect(page.locator("#job-outcome")).to_contain_text("You can resume it")
    expect(page.locator("#chart-loss")).to_contain_text("of training")
    page.get_by_role("button", name="Resume").click()
    page.wait_for_url(job)
    expect(page.locator("#job-log")).to_contain_text("The job was resumed")
    expect(page.locator("#job-status .job-progress__text")).to_contain_text(
        "of", timeout=JOB_LIMIT_MILLISECONDS
    )
    expect(page.locator("#job-status")).to_contain_text("Started again: attempt 2.")
    visitor.check_accessible()
    # Else it would hold up whoever trains next.
    page.locator("#job-actions button[popovertarget=cancel-dialog]").click()
    page.locator("#cancel-dialog button[type=submit]").click()
    expect(page.locator("#job-status")).to_have_attribute("data-over", "", timeout=30_000)
