"""An instructor and three students take the first course together, in both languages, to certificates and gradebook."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from conftest import create_home
from tests.e2e.conftest import Visitor
from tests.e2e.product import Product
from tests.e2e.test_course import (
    CONTENT,
    answer,
    begin,
    come_back,
    go_on,
    prepare_dataset,
    talk,
    train,
)
from tests.e2e.test_main_flow import sign_up

pytestmark = pytest.mark.e2e
Visit = Callable[..., Visitor]

STUDENTS = {"aiko": ("en", 1280), "ben": ("ja", 360), "chiyo": ("en", 1280)}
CLASS_ADDRESS = re.compile(r"/admin/classroom/[0-9a-f-]{36}/")
REFLECTIONS = {
    "en": "I expected a loss below one. In my job it fell from about five to nearly zero, and the tuned model gave my "
    "own sentence about Mount Fuji, which the base model did not know.",
    "ja": "損失は1より下がると予想していました。実際の学習ジョブでは5くらいからほとんど0まで下がり、"
    "学習したモデルは富士山について私の書いた文を答えました。ベースモデルはその文を知りませんでした。"
    "少ない例なので、丸暗記したのだと思います。",
}
CLAIM_ADDRESS = re.compile(r"/claim/")
LIVE_LIMIT_MILLISECONDS = 20_000
BEFORE_QUIZ = "low-rank-idea"
"""At a quiz nobody passes by waiting, so a raised hand stays up."""
QUESTION = "What does the slider change?"


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Its own, with the link that signs the first instructor in once."""
    running = Product(create_home(tmp_path_factory.mktemp("e2e-class") / "home").root)
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()


def test_a_class_takes_the_first_course_together(
    visit: Visit, product: Product, tmp_path: Path
) -> None:
    instructor = visit("en", viewport={"width": 1280, "height": 900})
    board = instructor.page
    board.goto(product.sign_in_link)
    board.locator("main form button[type=submit]").click()
    board.wait_for_url("**/")
    code = make_class(board)
    classroom = CLASS_ADDRESS.search(board.url)
    assert classroom is not None
    pages = {name: visit(language) for name, (language, _width) in STUDENTS.items()}
    walks = {}
    for name, visitor in pages.items():
        join(visitor.page, name, code)
        walks[name] = walk(visitor, name, tmp_path)
        next(walks[name])

    board.goto(f"{classroom[0]}live/")
    expect(board.locator("#main")).to_contain_text("chiyo")
    instructor.check_accessible()

    # Each in turn goes one step on, so that all are in the course at the same time.
    while walks:
        for name in list(walks):
            passed = next(walks[name], None)
            if passed is None:
                del walks[name]
            elif (name, passed) == ("ben", BEFORE_QUIZ):
                help_somebody(board, classroom[0], pages[name].page)
    for name, visitor in pages.items():
        get_certificate(visitor, name)
    check_gradebook(instructor, classroom[0])


def make_class(board: Page) -> str:
    """A new class that takes the first course; returns its join code."""
    board.goto("/classes/new/")
    board.fill("[name=name]", "Evening class")
    board.fill("[name=time_zone]", "Asia/Tokyo")
    board.locator("main form button[type=submit]").click()
    board.wait_for_url(CLASS_ADDRESS)
    address = CLASS_ADDRESS.search(board.url)
    assert address is not None
    board.goto(f"{address[0]}content/")
    add = board.locator("form[action$='/content/add/']")
    course = add.locator("option", has_text="First steps").get_attribute("value")
    add.locator("select").select_option(value=course)
    add.locator("button").click()
    expect(board.locator("#main")).to_contain_text("First steps")
    board.goto(f"{address[0]}roster/")
    board.locator("form:has([name=action][value=open]) button").click()
    shown = board.locator(".join-code__code")
    expect(shown).to_be_visible()
    return shown.inner_text()


def join(page: Page, name: str, code: str) -> None:
    width = STUDENTS[name][1]
    page.set_viewport_size({"width": width, "height": 900})
    sign_up(page, name)
    page.goto("/classes/")
    # As somebody types it who reads it from the projector.
    page.fill("[name=code]", code.lower().replace("-", " "))
    page.locator("form:has([name=code]) button").click()
    page.wait_for_url("**/join/*/")
    page.locator("main form button[type=submit]").click()
    page.wait_for_load_state()
    page.goto("/classes/")
    expect(page.locator("main")).to_contain_text("Evening class")


def walk(visitor: Visitor, name: str, folder: Path) -> Iterator[str]:
    """Begins the course, then goes one step on each time it is asked."""
    page, language = visitor.page, STUDENTS[name][0]
    begin(page)
    yield "begun"
    for step in CONTENT.steps:
        page.wait_for_url(f"**/courses/level-1/steps/{step.key}/")
        expect(page.locator("h1")).to_have_text(step.text(language).title)
        if name == "aiko":
            visitor.check_accessible()
        address = page.url
        match step.key:
            case "your-data":
                # Everybody's own: a copy of a classmate's would not pass.
                (folder / name).mkdir()
                prepare_dataset(page, folder / name, own=f"Fuji is the mountain of {name}.")
                page.goto(address)
            case "train":
                train(page)
                come_back(page)
            case "talk":
                talk(page)
                come_back(page)
            case "look-back":
                page.fill("#reflection-text", REFLECTIONS[language])
                page.locator(".reflection [name=jobs]").first.check()
                page.locator(".reflection button[type=submit]").click()
            case _ if step.kind == "quiz":
                answer(page, step)
        go_on(page)
        yield step.key
    page.wait_for_url("**/courses/level-1/")
    expect(page.locator("progress").first).to_have_attribute("value", "100")


def help_somebody(board: Page, classroom: str, page: Page) -> None:
    """A raised hand reaches the instructor on any page of the class; that somebody comes reaches the student."""
    board.goto(f"{classroom}roster/")
    page.locator("#step-help summary").click()
    page.fill("#help-text", QUESTION)
    page.locator("#step-help form button").click()
    expect(page.locator("#step-help .step-help__state")).to_be_visible()
    expect(board.locator("#needs-count")).to_have_text("1", timeout=LIVE_LIMIT_MILLISECONDS)
    board.locator(".classroom-tabs a", has=board.locator("#needs-count")).click()
    # Until its scripts run the button sends a form, and leaves the page.
    board.wait_for_url("**/needs/")
    need = board.locator("#needs-list .need", has_text=QUESTION)
    expect(need).to_be_visible(timeout=LIVE_LIMIT_MILLISECONDS)
    claim_behind_the_socket(board, need.locator("[id^=claim-]"))
    page.reload()
    expect(page.locator("#step-help")).to_contain_text("admin")
    board.locator("#needs-list [id^=resolve-]").click()
    expect(board.locator("#needs-list .need", has_text=QUESTION)).to_have_count(0)
    page.reload()
    expect(page.locator("#step-help .step-help__state")).to_have_count(0)


def claim_behind_the_socket(board: Page, claim: Locator) -> None:
    """The answer to the click comes after the socket has replaced the button, and is told all the same."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    board.route(CLAIM_ADDRESS, hold)
    with board.expect_request(CLAIM_ADDRESS):
        claim.click()
    expect(claim).to_be_visible()
    [route] = held
    answer = route.fetch()
    expect(claim).to_have_count(0, timeout=LIVE_LIMIT_MILLISECONDS)
    route.fulfill(response=answer)
    expect(board.locator("#toasts .toast")).to_be_visible()


def get_certificate(visitor: Visitor, name: str) -> None:
    page = visitor.page
    page.locator("a[href$='/certificate/']").first.click()
    page.fill("[name=name]", f"{name.title()} 山田")
    page.locator("main form button[type=submit]").click()
    page.wait_for_url("**/certificates/*/")
    expect(page.locator(".certificate__name")).to_have_text(f"{name.title()} 山田")
    visitor.check_accessible()
    address = page.locator("a[href$='.pdf']").get_attribute("href")
    assert address is not None
    answer = page.request.get(address)
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.body().startswith(b"%PDF")


def check_gradebook(instructor: Visitor, classroom: str) -> None:
    board = instructor.page
    board.goto(f"{classroom}gradebook/")
    for name in STUDENTS:
        expect(board.locator("main table")).to_contain_text(name)
    instructor.check_accessible()
    sheet = board.request.get(f"{classroom}gradebook/export/").body().decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(sheet)))
    names = {cell for row in rows for cell in row}
    assert set(STUDENTS) <= names
    own = [row for row in rows if set(row) & set(STUDENTS)]
    assert len(own) == len(STUDENTS)
    assert all("100" in {cell.rstrip("%") for cell in row} for row in own)
