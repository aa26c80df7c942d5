"""Jobs as a student handles them, in both languages: told before, watched, resumed, explained, compared, varied."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Visitor
from tests.e2e.test_main_flow import (
    JAPANESE,
    JOB_ADDRESS,
    JOB_LIMIT_MILLISECONDS,
    sign_up,
    upload_dataset,
)

pytestmark = pytest.mark.e2e

SETTINGS = {"num_epochs": 4, "batch_size": 4, "max_length": 64, "eval_fraction": 0.2}
TINY = "tiny"
LANGUAGES = pytest.mark.parametrize("language", ["en", "ja"])
Visit = Callable[..., Visitor]


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    path = tmp_path / "garden.jsonl"
    records = [
        {"instruction": f"Who waters bed {number}?", "output": f"Class {number}B."}
        for number in range(1, 25)
    ]
    path.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
    return path


def arrive(visit: Visit, language: str, dataset: Path, name: str) -> Visitor:
    """Somebody new with a dataset, on the page of a new job."""
    visitor = visit(language, viewport={"width": 1280 if language == "en" else 360, "height": 900})
    sign_up(visitor.page, name)
    upload_dataset(visitor.page, dataset, "Garden")
    visitor.page.locator("a[href*='/training/new/?dataset=']").first.click()
    visitor.page.wait_for_url("**/training/new/**")
    return visitor


def fill_job(page: Page, name: str, **changes: object) -> None:
    page.fill("[name=name]", name)
    page.select_option("[name=base_model]", TINY)
    page.locator("#job-form details.disclosure > summary").last.click()
    for setting, value in (SETTINGS | changes).items():
        page.fill(f"[name='training_config.{setting}']", str(value))


def start(page: Page) -> str:
    page.locator("#start-button").click()
    page.wait_for_url(JOB_ADDRESS)
    return page.url


def wait_for_end(page: Page) -> None:
    expect(page.locator("#job-status")).to_have_attribute(
        "data-over", "", timeout=JOB_LIMIT_MILLISECONDS
    )


def run_job(page: Page, name: str, **changes: object) -> str:
    fill_job(page, name, **changes)
    address = start(page)
    wait_for_end(page)
    return address


@LANGUAGES
def test_everything_is_told_before_the_start_and_explained_after_it(
    visit: Visit, dataset: Path, language: str
) -> None:
    visitor = arrive(visit, language, dataset, f"teller-{language}")
    page = visitor.page
    fill_job(page, "Told before", learning_rate=1e-6, num_epochs=1)
    expect(page.locator("#job-plan .forecast")).to_be_visible()
    advice = page.locator("#job-plan .advice__item")
    expect(advice.first).to_be_visible()
    assert bool(JAPANESE.search(advice.first.inner_text())) == (language == "ja")
    visitor.check_accessible()

    # One click mends what would do nothing.
    before = page.input_value("[name='training_config.learning_rate']")
    page.locator("#job-plan .advice .mend").first.click()
    changed = page.locator("[name='training_config.learning_rate']")
    epochs = page.locator("[name='training_config.num_epochs']")
    expect(page.locator("#job-plan .forecast")).to_be_visible()
    assert (changed.input_value(), epochs.input_value()) != (before, "1")

    page.fill("[name='training_config.learning_rate']", "0.000001")
    page.fill("[name=prediction]", "Nothing will change.")
    start(page)
    wait_for_end(page)
    verdict = page.locator("#job-diagnosis .diagnosis")
    expect(verdict).to_be_visible()
    assert bool(JAPANESE.search(verdict.inner_text())) == (language == "ja")
    page.reload()
    expect(page.locator("#job-notebook")).to_contain_text("Nothing will change.")
    expect(page.locator("#chart-loss")).to_be_visible()
    visitor.check_accessible()


@LANGUAGES
def test_a_cancelled_job_goes_on_where_its_checkpoint_stands(
    visit: Visit, dataset: Path, language: str
) -> None:
    page = arrive(visit, language, dataset, f"resumer-{language}").page
    fill_job(page, "Cancelled and resumed", num_epochs=60, batch_size=1, save_steps=5)
    start(page)
    progress = page.locator("#job-status .job-progress__text")
    expect(progress).to_contain_text(re.compile(r"[1-9]"), timeout=JOB_LIMIT_MILLISECONDS)
    page.reload()
    page.locator("#job-actions [popovertarget=cancel-dialog]").click()
    page.locator("#cancel-dialog button[type=submit]").click()
    wait_for_end(page)
    page.locator("#job-actions button[form=resume-form]").click()
    expect(page.locator("#job-status")).not_to_have_attribute("data-over", "")
    wait_for_end(page)
    expect(page.locator("#job-outcome a[href*='/chat/new/']")).to_be_visible()


@LANGUAGES
def test_two_jobs_stand_side_by_side(visit: Visit, dataset: Path, language: str) -> None:
    visitor = arrive(visit, language, dataset, f"comparer-{language}")
    page = visitor.page
    new_job = page.url
    for rate in ("0.001", "0.01"):
        page.goto(new_job)
        run_job(page, f"Rate {rate}", learning_rate=rate)
    page.goto("/training/")
    for box in page.locator("input[name=job]").all():
        box.check()
    page.locator("#job-bulk button[value=compare]").click()
    page.wait_for_url("**/training/compare/?job=*")
    expect(page.locator("main svg").first).to_be_visible()
    table = page.locator("main table").first
    expect(table).to_contain_text("0.001")
    expect(table).to_contain_text("0.01")
    visitor.check_accessible()


def test_the_end_of_a_job_is_told_on_another_page(visit: Visit, dataset: Path) -> None:
    visitor = arrive(visit, "en", dataset, "told")
    page = visitor.page
    fill_job(page, "Told elsewhere", num_epochs=2)
    address = start(page)
    page.goto("/datasets/")
    expect(page.locator("[href='/notifications/']").first).to_be_visible()
    expect(page.locator("#toasts")).to_contain_text("Told elsewhere", timeout=60_000)
    page.goto("/training/queue/")
    visitor.check_accessible()
    expect(page.locator("#toasts")).to_be_empty()
    # As if it had ended between the two pages: this tab was told nothing yet.
    page.evaluate("sessionStorage.setItem('told-news', '')")
    page.reload()
    expect(page.locator("#toasts")).to_contain_text("Told elsewhere")
    page.goto("/notifications/")
    visitor.check_accessible()
    page.get_by_text("Told elsewhere").first.click()
    page.wait_for_url(re.compile(re.escape(address.partition("/training/")[2])))
