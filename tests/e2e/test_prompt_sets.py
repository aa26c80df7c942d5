"""A prompt set as a student meets it: write questions, put them to two models, read who is better."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Visitor
from tests.e2e.test_main_flow import sign_up

pytestmark = pytest.mark.e2e

SET_ADDRESS = re.compile(r"/chat/prompt-sets/[0-9a-f-]{36}/")
RUN_ADDRESS = re.compile(r"/chat/prompt-runs/[0-9a-f-]{36}/$")
RUN_LIMIT_MILLISECONDS = 180_000
QUESTIONS = "\n".join(f"Who waters bed {number}?\tClass {number}B." for number in range(1, 8))
Visit = Callable[..., Visitor]


def make_set(page: Page, name: str) -> None:
    page.goto("/chat/prompt-sets/")
    page.locator(".page-header a[href='/chat/prompt-sets/new/']").click()
    page.fill("[name=name]", name)
    page.fill("[name=text]", QUESTIONS)
    page.locator("#prompt-set-form button[type=submit]").click()
    page.wait_for_url(SET_ADDRESS)


def start_run(page: Page, *models: str, tokens: int = 12) -> None:
    """Of the set in view."""
    page.locator(".page-header a[href*='/chat/prompt-runs/new/']").click()
    page.wait_for_url("**/chat/prompt-runs/new/**")
    for model in models:
        page.check(f"[name=models][value='{model}']")
    page.locator("#prompt-run-form details > summary").click()
    page.fill("[name=max_tokens]", str(tokens))
    page.locator("#prompt-run-form button[type=submit]").click()
    page.wait_for_url(RUN_ADDRESS)


def wait_until_over(page: Page) -> None:
    expect(page.locator("#answers")).to_be_visible(timeout=RUN_LIMIT_MILLISECONDS)


@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_student_puts_questions_to_models_and_reads_the_outcome(
    visit: Visit, language: str, tmp_path: Path
) -> None:
    width = 1280 if language == "en" else 360
    visitor = visit(language, viewport={"width": width, "height": 860})
    page = visitor.page
    sign_up(page, f"asker-{language}")
    page.goto("/chat/prompt-sets/")
    visitor.check_accessible()

    make_set(page, "Garden")
    expect(page.locator(".prompt-item")).to_have_count(7)
    page.locator(".prompt-item__actions a").first.click()
    page.fill(".prompt-item__form [name=prompt]", "Who waters the first bed?")
    visitor.check_accessible()
    page.locator(".prompt-item__form button[type=submit]").click()
    expect(page.locator("#item-1")).to_contain_text("the first bed")
    page.fill("#add [name=prompt]", "And who waters none?")
    page.locator("#add button[type=submit]").click()
    expect(page.locator(".prompt-item")).to_have_count(8)

    start_run(page, "tiny")
    visitor.check_accessible()
    # The poll itself brings the outcome.
    wait_until_over(page)
    expect(page.locator("#run-live")).not_to_have_attribute("hx-trigger", re.compile("every"))
    expect(page.locator(".prompt-row")).to_have_count(8)
    expect(page.locator(".prompt-outcome .prompt-figure")).to_have_count(3)
    visitor.check_accessible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    page.locator(".prompt-filters a[href*='show=none_right']").click()
    page.wait_for_url("**show=none_right**")
    # One question has no hoped-for answer, so nobody is wrong there.
    expect(page.locator(".prompt-row")).to_have_count(7)
    with page.expect_download() as download:
        page.locator("a[href$='format=json']").click()
    file = tmp_path / "run.json"
    download.value.save_as(file)
    data = json.loads(file.read_text())
    assert len(data["items"]) == 8
    assert all(item["answers"][0]["status"] == "completed" for item in data["items"])
    assert all(item["answers"][0]["loss"] > 0 for item in data["items"][:7])

    # It is over, so the bell has told of it, and the page was seen.
    page.goto("/chat/prompt-sets/")
    expect(page.locator(".badge--success")).to_have_count(1)


def test_a_run_is_stopped_and_keeps_what_was_answered(visit: Visit) -> None:
    page = visit("en").page
    sign_up(page, "stopper")
    make_set(page, "Garden")
    start_run(page, "tiny", tokens=4096)
    page.locator("#cancel-button").click()
    page.locator("#cancel-dialog button[type=submit]").click()
    wait_until_over(page)
    expect(page.locator("#run-live")).to_contain_text("This run was stopped")
