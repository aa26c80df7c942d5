"""A job of one's own is measured on the hidden questions of level 3, from the page of the step."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from conftest import create_home
from engine.tests.factories import make_tiny_base_model
from tests.e2e.conftest import Visitor
from tests.e2e.product import ROOT, Product
from tests.e2e.test_arena import train
from tests.e2e.test_main_flow import JAPANESE, LEVEL_1, sign_up

pytestmark = pytest.mark.e2e
STEP = "evaluation"
MEASURED_LIMIT_MILLISECONDS = 60_000


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """With a base model whose jobs take a second, and that can read questions of some hundred letters."""
    home = create_home(tmp_path_factory.mktemp("e2e-hidden") / "home")
    make_tiny_base_model(home.local_models / "tiny", seed=3, context_length=8192)
    running = Product(home.root, LLMLORA_SKIP_BUNDLED="1")
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()


@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_job_is_measured_and_its_numbers_stay(
    visit: Callable[..., Visitor], product: Product, language: str
) -> None:
    width = 1280 if language == "en" else 360
    visitor = visit(language, viewport={"width": width, "height": 860})
    page = visitor.page
    name = f"measured-{language}"
    sign_up(page, name)
    take_level_3(product, name)
    part = open_step(page)
    expect(part.locator("select")).to_have_count(0)
    train(page, LEVEL_1, "Measured job")

    part = open_step(page)
    visitor.check_accessible()
    expect(part.locator(".item__meta").last).to_contain_text("5")
    part.locator("button").click()
    numbers = part.locator("tbody tr td.is-number")
    expect(numbers).to_have_count(3, timeout=MEASURED_LIMIT_MILLISECONDS)
    expect(part).to_contain_text("4")
    visitor.check_accessible()
    told = numbers.all_inner_texts()
    assert page.evaluate("document.documentElement.scrollWidth") <= width

    page.reload()
    assert numbers.all_inner_texts() == told
    assert bool(JAPANESE.search(part.inner_text())) == (language == "ja")
    # A second measurement of the same job costs nothing and changes nothing.
    part.locator("button").click()
    expect(part.locator("tbody tr")).to_have_count(1)
    expect(part).to_contain_text("4")
    source = page.content()
    assert not [question for question in hidden_questions(language) if question in source]


def hidden_questions(language: str) -> list[str]:
    path = ROOT / "courses" / "content" / "level-3" / f"hidden.{language}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["instruction"] for line in lines]


def open_step(page: Page) -> Locator:
    """The part of the step's page that measures."""
    page.goto(f"/courses/level-3/steps/{STEP}/")
    return page.locator("#measuring")


def take_level_3(product: Product, username: str) -> None:
    """As a class whose instructor opened this step for all, with the student in it."""
    script = (
        "from accounts.models import Cohort, Membership, User\n"
        "from courses.models import CohortCourse, Course\n"
        "from courses.selectors.content import newest_version\n"
        "from courses.services.enrolling import begin_course\n"
        f"person = User.objects.get(username={username!r})\n"
        f"cohort = Cohort.objects.create(name='Class of ' + {username!r})\n"
        "Membership.objects.create(cohort=cohort, user=person)\n"
        "course = Course.objects.get(slug='level-3')\n"
        "CohortCourse.objects.create(\n"
        "    cohort=cohort, course=course, version=newest_version(course),\n"
        f"    opened_steps=[{STEP!r}],\n"
        ")\n"
        "begin_course(person, course)\n"
    )
    subprocess.run(
        [sys.executable, "manage.py", "shell", "-c", script],
        cwd=ROOT,
        env=os.environ | {"LLMLORA_HOME": str(product.home)},
        check=True,
        capture_output=True,
    )
