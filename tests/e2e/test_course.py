"""The first course as a student takes it: the acts of each step, and its first pages on a telephone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from courses.catalogue.reading import read_course
from courses.catalogue.schema import Step
from tests.e2e.conftest import Visitor
from tests.e2e.product import ROOT
from tests.e2e.test_main_flow import (
    JAPANESE,
    JOB_ADDRESS,
    LEVEL_1,
    REPLY_LIMIT_MILLISECONDS,
    sign_up,
    upload_dataset,
    wait_until_trained,
)

pytestmark = pytest.mark.e2e
CONTENT = read_course(ROOT / "courses" / "content" / "level-1")
READING_LIMIT_MILLISECONDS = 60_000
OWN_ANSWER = "Fuji is exactly as tall as my grandmother's stories."


def begin(page: Page) -> None:
    page.goto("/courses/")
    page.locator("form[action$='/courses/level-1/begin/'] button").first.click()
    page.wait_for_url("**/courses/level-1/steps/welcome/")


def go_on(page: Page) -> None:
    """To the next step, once this one is passed."""
    link = page.locator("#step-checks .card__footer a.button--primary")
    expect(link).to_be_visible(timeout=READING_LIMIT_MILLISECONDS)
    link.click()


def answer(page: Page, step: Step) -> None:
    for question in step.questions:
        name = f"q-{question.key}"
        if question.kind == "number":
            page.fill(f"[name={name}]", f"{question.answer:g}")
        for option in question.options:
            if option.right:
                page.check(f"[name={name}][value={option.key}]")
    page.locator("#questions button[type=submit]").click()


def act(page: Page) -> None:
    """Press the button that leads to the real page."""
    page.locator(".lesson__action a").click()


def come_back(page: Page) -> None:
    page.locator(".lesson-return a").click()


def prepare_dataset(page: Page, folder: Path, *, own: str = OWN_ANSWER) -> None:
    records = [json.loads(line) for line in LEVEL_1.read_text(encoding="utf-8").splitlines()]
    records[0]["output"] = own
    file = folder / "mine.jsonl"
    file.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    upload_dataset(page, file, "Mine")


def train(page: Page) -> None:
    act(page)
    page.wait_for_url("**/training/new/**")
    page.fill("[name=prediction]", "The loss will fall below one within fifteen steps.")
    page.locator("#start-button").click()
    page.wait_for_url(JOB_ADDRESS)
    wait_until_trained(page)


def talk(page: Page) -> None:
    act(page)
    page.wait_for_url("**/chat/new/**")
    page.locator("form.new-chat button[type=submit]").click()
    page.wait_for_url(re.compile(r"/chat/[0-9a-f-]{36}/$"))
    for question in ("How tall is Mount Fuji?", "What is sushi?", "How do I boil an egg?"):
        put(page, question)


def put(page: Page, question: str) -> None:
    """Ask, and wait until both models have answered."""
    turns = page.locator(".turn")
    before = turns.count()
    page.fill("#composer_text", question)
    page.press("#composer_text", "Enter")
    expect(turns).to_have_count(before + 1)
    expect(turns.last.locator(".reply")).to_have_count(2)
    expect(turns.last.locator(".reply[data-active]")).to_have_count(
        0, timeout=REPLY_LIMIT_MILLISECONDS
    )


def test_the_course_speaks_japanese_on_a_phone(visit: Callable[..., Visitor]) -> None:
    visitor = visit("ja", viewport={"width": 360, "height": 800})
    page = visitor.page
    sign_up(page, "course-ja")
    begin(page)
    for step in CONTENT.steps[:4]:
        page.wait_for_url(f"**/courses/level-1/steps/{step.key}/")
        expect(page.locator("h1")).to_have_text(step.text("ja").title)
        assert JAPANESE.search(page.locator("#step-checks").inner_text())
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360
        visitor.check_accessible()
        if step.kind == "quiz":
            wrong = next(option for option in step.questions[0].options if not option.right)
            page.check(f"[name=q-{step.questions[0].key}][value={wrong.key}]")
            page.locator("#questions button[type=submit]").click()
            expect(page.locator(".quiz__fault").first).to_be_visible()
            # The browser tells of the refusal as if it were a fault.
            visitor.problems[:] = [line for line in visitor.problems if "status of 422" not in line]
            answer(page, step)
        go_on(page)
    page.go_back()
    page.reload()
    expect(page.locator("#step-checks .badge--success")).to_be_visible()
