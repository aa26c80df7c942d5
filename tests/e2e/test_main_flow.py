"""The product as a student meets it, in Japanese and English: sign up, dataset, live job, compared chat."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Visitor
from tests.e2e.product import ROOT, Product

pytestmark = pytest.mark.e2e

LEVEL_1 = ROOT / "courses" / "content" / "level-1" / "train.en.jsonl"
JOB_LIMIT_MILLISECONDS = 600_000
REPLY_LIMIT_MILLISECONDS = 120_000
PASSWORD = "a-long-and-quiet-passphrase"
JOB_ADDRESS = re.compile(r"/training/[0-9a-f-]{36}/$")
CHAT_ADDRESS = re.compile(r"/chat/[0-9a-f-]{36}/$")
BEGUN = re.compile(r"\b[1-9]\d* of")
"""A page that looks twice a second may miss any one step."""
JAPANESE = re.compile("[\u3041-\u30ff\u4e00-\u9fff]")


def sign_up(page: Page, username: str) -> None:
    page.goto("/accounts/signup/")
    page.fill("[name=username]", username)
    page.fill("[name=password1]", PASSWORD)
    page.fill("[name=password2]", PASSWORD)
    page.locator("form:has([name=password1]) button[type=submit]").click()
    page.wait_for_url("**/")


def upload_dataset(page: Page, file: Path, name: str) -> None:
    page.goto("/datasets/new/")
    page.set_input_files("#dataset-form input[type=file]", file)
    page.fill("#dataset-form [name=name]", name)
    page.locator("#dataset-form button[type=submit]").click()
    page.wait_for_url(re.compile(r"/datasets/[0-9a-f-]{36}/$"))


def start_job(page: Page, name: str, *, epochs: int) -> None:
    """From the dataset's page, with the presets that stand there."""
    page.locator("a[href*='/training/new/?dataset=']").first.click()
    page.wait_for_url("**/training/new/**")
    page.fill("[name=name]", name)
    page.fill("[name='training_config.num_epochs']", str(epochs))
    expect(page.locator("#job-plan")).to_contain_text(str(epochs))
    page.locator("#start-button").dblclick()
    page.wait_for_url(JOB_ADDRESS)


def wait_until_trained(page: Page) -> None:
    expect(page.locator("#job-status")).to_have_attribute(
        "data-over", "", timeout=JOB_LIMIT_MILLISECONDS
    )
    expect(page.locator("#job-outcome a[href*='/chat/new/']")).to_be_visible()


def open_compared_chat(page: Page) -> None:
    page.locator("#job-outcome a[href*='/chat/new/']").click()
    page.wait_for_url("**/chat/new/**")
    page.check("[name=is_compared]")
    page.locator("form.new-chat button[type=submit]").click()
    page.wait_for_url(CHAT_ADDRESS)


def ask(page: Page, question: str) -> dict[str, str]:
    """Send by Enter and wait for both answers; returns them by target."""
    page.locator("details.composer__settings > summary").click()
    page.fill("[name=temperature]", "0")
    page.fill("[name=max_tokens]", "40")
    page.locator("details.composer__settings > summary").click()
    page.fill("#composer_text", question)
    page.press("#composer_text", "Enter")
    turn = page.locator(".turn").last
    expect(turn.locator(".reply")).to_have_count(2)
    expect(turn.locator(".reply[data-active]")).to_have_count(0, timeout=REPLY_LIMIT_MILLISECONDS)
    return {
        target: turn.locator(f".reply.is-{target} .reply__text").inner_text().strip()
        for target in ("tuned", "base")
    }


@pytest.mark.parametrize(("language", "epochs"), [("en", 15), ("ja", 3)])
def test_a_student_goes_from_sign_up_to_a_tuned_answer(
    visit: Callable[..., Visitor], tmp_path: Path, language: str, epochs: int
) -> None:
    visitor = visit(language, viewport={"width": 1280 if language == "en" else 360, "height": 800})
    page = visitor.page

    sign_up(page, f"student-{language}")
    expect(page.locator("html")).to_have_attribute("lang", language)
    assert bool(JAPANESE.search(page.locator("h1").inner_text())) == (language == "ja")
    visitor.check_accessible()

    upload_dataset(page, LEVEL_1, "Level 1")
    visitor.check_accessible()

    start_job(page, f"First job {language}", epochs=epochs)
    visitor.check_accessible()
    job_address = page.url
    expect(page.locator("#job-status .job-progress__text")).to_contain_text(
        "1", timeout=JOB_LIMIT_MILLISECONDS
    )
    page.reload()
    wait_until_trained(page)
    visitor.check_accessible()

    page.goto("/training/")
    expect(
        page.locator(f"a[href='{job_address.removeprefix(page.url.removesuffix('/training/'))}']")
    ).to_have_count(1)

    page.goto(job_address)
    with page.expect_download() as download:
        page.locator("a[href$='/adapter/']").click()
    archive = tmp_path / "adapter.zip"
    download.value.save_as(archive)
    assert {"adapter_model.safetensors", "adapter_config.json"} <= set(
        zipfile.ZipFile(archive).namelist()
    )

    open_compared_chat(page)
    first = json.loads(LEVEL_1.read_text(encoding="utf-8").splitlines()[0])
    answers = ask(page, first["instruction"])
    visitor.check_accessible()
    assert answers["base"] != first["output"]
    if epochs == 15:
        assert answers["tuned"] == first["output"]
    page.reload()
    expect(page.locator(".reply.is-tuned .reply__text")).to_have_text(answers["tuned"])


def test_cancel_is_answered_at_once_and_really_stops(visit: Callable[..., Visitor]) -> None:
    page = visit("en").page
    sign_up(page, "student-cancel")
    upload_dataset(page, LEVEL_1, "Level 1")
    start_job(page, "Never finished", epochs=100)
    expect(page.locator("#job-status .job-progress__text")).to_contain_text(
        BEGUN, timeout=JOB_LIMIT_MILLISECONDS
    )
    page.locator("#job-actions button[popovertarget=cancel-dialog]").click()
    page.locator("#cancel-dialog button[type=submit]").click()
    expect(page.locator("#job-actions")).to_contain_text("Cancelling", timeout=2_000)
    expect(page.locator("#job-status")).to_have_attribute("data-over", "", timeout=10_000)


def test_stop_keeps_what_was_learned_so_far(visit: Callable[..., Visitor]) -> None:
    visitor = visit("en")
    page = visitor.page
    sign_up(page, "student-stop")
    upload_dataset(page, LEVEL_1, "Level 1")
    start_job(page, "Stopped early", epochs=100)
    expect(page.locator("#job-status .job-progress__text")).to_contain_text(
        BEGUN, timeout=JOB_LIMIT_MILLISECONDS
    )
    page.locator("#job-actions button[popovertarget=stop-dialog]").click()
    page.locator("#stop-dialog button[type=submit]").click()
    expect(page.locator("#job-actions")).to_contain_text("Stopping", timeout=2_000)
    wait_until_trained(page)
    expect(page.locator("#job-log")).to_contain_text("Stopped by request after step")
    visitor.check_accessible()


def test_the_printed_link_signs_the_first_instructor_in_once(
    visit: Callable[..., Visitor], product: Product
) -> None:
    page = visit("en").page
    page.goto(product.sign_in_link)
    page.locator("main form button[type=submit]").click()
    page.wait_for_url("**/")
    page.goto("/admin/")
    expect(page.locator("#user-tools")).to_be_visible()

    second = visit("en")
    answer = second.page.goto(product.sign_in_link)
    assert answer is not None
    assert answer.status == 410
    expect(second.page.locator("main form:has([name=token])")).to_have_count(0)
    # The browser notes the refusal in its console; that one line is what was asked for.
    assert len(second.problems) == 1
    second.problems.clear()


def test_an_enter_that_ends_a_conversion_does_not_send(visit: Callable[..., Visitor]) -> None:
    page = visit("ja").page
    sign_up(page, "student-ime")
    page.goto("/chat/new/")
    page.locator("[name=model]").first.check()
    page.locator("form.new-chat button[type=submit]").click()
    page.wait_for_url(CHAT_ADDRESS)
    page.fill("#composer_text", "富士山")
    page.locator("#composer_text").dispatch_event(
        "keydown", {"key": "Enter", "isComposing": True, "bubbles": True}
    )
    expect(page.locator("#composer_text")).to_have_value("富士山")
    expect(page.locator(".turn")).to_have_count(0)
