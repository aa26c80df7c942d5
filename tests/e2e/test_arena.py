"""The arena as a class meets it: adapters take part, a student duels blind, votes and reads the standings."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from conftest import create_home
from engine.tests.factories import make_tiny_base_model
from tests.e2e.conftest import Visitor
from tests.e2e.product import ROOT, Product
from tests.e2e.test_main_flow import (
    JOB_LIMIT_MILLISECONDS,
    REPLY_LIMIT_MILLISECONDS,
    sign_up,
    upload_dataset,
)

pytestmark = pytest.mark.e2e
Visit = Callable[..., Visitor]

BOARD = re.compile(r"/chat/arena/[0-9a-f-]{36}/$")
DUEL = re.compile(r"/chat/arena/duels/[0-9a-f-]{36}/$")
ROWS = '{"instruction": "Who waters bed 3?", "output": "Class 3B."}\n' * 4


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """With a base model whose jobs take a second and whose answers are not empty."""
    home = create_home(tmp_path_factory.mktemp("e2e-arena") / "home")
    make_tiny_base_model(home.local_models / "tiny", seed=3, context_length=8192)
    running = Product(home.root)
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()


@pytest.mark.parametrize("language", ["en", "ja"])
def test_two_students_duel_and_read_the_standings(
    visit: Visit, product: Product, tmp_path: Path, language: str
) -> None:
    names = [f"{name}-{language}" for name in ("one", "two", "voter")]
    first, second, voter = (open_person(visit, language, name) for name in names)
    make_class(product, f"Class {language}", names)
    file = tmp_path / "garden.jsonl"
    file.write_text(ROWS)
    for person, name in ((first, f"Rose {language}"), (second, f"Tulip {language}")):
        train(person.page, file, name)
        enter_arena(person)

    page = voter.page
    page.goto("/chat/arena/")
    page.wait_for_url(BOARD)
    for name in ("Rose", "Tulip"):
        expect(page.locator(".arena-table")).to_contain_text(f"{name} {language}")
    voter.check_accessible()

    page.fill("[name=prompt]", "Who waters bed 3?")
    page.locator("#duel-button").click()
    page.wait_for_url(DUEL)
    expect(page.locator(".reply")).to_have_count(2)
    expect(page.locator("[data-active]")).to_have_count(0, timeout=REPLY_LIMIT_MILLISECONDS)
    # What came by the socket is what a fresh page shows, and neither tells a name.
    for _look in range(2):
        expect(page.locator("#arena-vote")).to_be_visible()
        expect(page.locator("main")).not_to_contain_text("Rose")
        expect(page.locator("main")).not_to_contain_text("Tulip")
        expect(page.locator(".reply__bar .rating")).to_have_count(0)
        page.reload()
    voter.check_accessible()

    page.locator("#vote-1").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".arena-reveal")).to_contain_text(f"Rose {language}")
    expect(page.locator(".arena-reveal")).to_contain_text(f"two-{language}")
    expect(page.locator(".arena-reveal__one.is-winner")).to_have_count(1)
    expect(page.locator("#arena-vote")).to_have_count(0)
    voter.check_accessible()

    page.locator("#next-duel").click()
    page.wait_for_url(re.compile(r"/chat/arena/[0-9a-f-]{36}/#duel-heading$"))
    wins = page.locator(".arena-table tbody td:nth-child(5)")
    assert sorted(wins.all_inner_texts()) == ["0", "1"]

    # Of the two who take part each would meet one adapter only.
    own = first.page
    own.goto(page.url)
    expect(own.locator("[name=prompt]")).to_have_count(0)
    expect(own.locator(".arena-own")).to_contain_text(f"Rose {language}")
    leave_arena(own)
    page.reload()
    expect(page.locator(".arena-table")).not_to_contain_text(f"Rose {language}")
    expect(page.locator("[name=prompt]")).to_have_count(0)


def open_person(visit: Visit, language: str, name: str) -> Visitor:
    """On a wide screen in English, on a narrow one in Japanese."""
    width = 1280 if language == "en" else 360
    visitor = visit(language, viewport={"width": width, "height": 860})
    sign_up(visitor.page, name)
    return visitor


def make_class(product: Product, name: str, usernames: list[str]) -> None:
    """As an instructor does on the admin pages."""
    script = (
        "from accounts.models import Cohort, Membership, User\n"
        f"cohort = Cohort.objects.create(name={name!r})\n"
        f"for person in User.objects.filter(username__in={usernames!r}):\n"
        "    Membership.objects.create(cohort=cohort, user=person)\n"
    )
    subprocess.run(
        [sys.executable, "manage.py", "shell", "-c", script],
        cwd=ROOT,
        env=os.environ | {"LLMLORA_HOME": str(product.home)},
        check=True,
        capture_output=True,
    )


def train(page: Page, file: Path, name: str) -> None:
    """A job on the tiny base model; the page is its own afterwards."""
    upload_dataset(page, file, "Garden")
    page.locator("a[href*='/training/new/?dataset=']").first.click()
    page.wait_for_url("**/training/new/**")
    page.fill("[name=name]", name)
    page.select_option("[name=base_model]", "tiny")
    page.fill("[name='training_config.num_epochs']", "2")
    page.locator("#start-button").click()
    page.wait_for_url(re.compile(r"/training/[0-9a-f-]{36}/$"))
    expect(page.locator("#job-status")).to_have_attribute(
        "data-over", "", timeout=JOB_LIMIT_MILLISECONDS
    )


def enter_arena(visitor: Visitor) -> None:
    page = visitor.page
    # The choice comes with the adapter, and the page was opened before it.
    page.reload()
    tick = page.locator("#job-sharing [name=is_in_arena]")
    tick.check()
    page.locator("#job-sharing button[type=submit]").click()
    expect(page.locator("#job-sharing [role=status]")).not_to_be_empty()
    page.reload()
    expect(tick).to_be_checked()
    visitor.check_accessible()


def leave_arena(page: Page) -> None:
    page.locator(".arena-own a").click()
    page.locator("#job-sharing [name=is_in_arena]").uncheck()
    page.locator("#job-sharing button[type=submit]").click()
    expect(page.locator("#job-sharing [role=status]")).not_to_be_empty()
