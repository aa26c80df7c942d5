"""The chat room as students use it, in both languages: takes, branches, stop, reload, two at once, input methods."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import APIResponse, Locator, Page, Route, expect

from conftest import create_home
from engine.tests.factories import make_tiny_base_model
from tests.e2e.conftest import Visitor
from tests.e2e.product import Product
from tests.e2e.test_main_flow import CHAT_ADDRESS, sign_up

pytestmark = pytest.mark.e2e

LANGUAGES = pytest.mark.parametrize("language", ["en", "ja"])
REPLY_LIMIT_MILLISECONDS = 60_000
SHORT = {"temperature": 1, "max_tokens": 24}
LONG = {"temperature": 0, "max_tokens": 4096}
"""Takes the tiny model some seconds, and is the same each time."""
MODELS = ("tiny", "tiny-b", "tiny-c", "tiny-d")
Visit = Callable[..., Visitor]


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Its base models write at once, and repeat themselves for as long as they may."""
    home = create_home(tmp_path_factory.mktemp("e2e-chat") / "home")
    for seed, name in enumerate(MODELS, start=3):
        make_tiny_base_model(home.local_models / name, seed=seed, context_length=8192)
    running = Product(home.root)
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()


def open_chat(visit: Visit, language: str, name: str, **settings: float) -> Visitor:
    """Somebody new in a chat with the tiny model: on a wide screen in English, on a narrow one in Japanese."""
    visitor = visit(language, viewport={"width": 1280 if language == "en" else 360, "height": 860})
    page = visitor.page
    sign_up(page, name)
    page.goto("/chat/new/?model=tiny")
    page.locator("form.new-chat button[type=submit]").click()
    page.wait_for_url(CHAT_ADDRESS)
    set_sampling(page, **settings)
    return visitor


def open_comparison(visit: Visit, language: str, name: str, *, count: int) -> Visitor:
    """Somebody new in a blind comparison of so many models."""
    visitor = visit(language, viewport={"width": 1280 if language == "en" else 360, "height": 860})
    page = visitor.page
    sign_up(page, name)
    page.goto("/chat/new/?model=tiny")
    page.locator("main .tabs a").last.click()
    for model in MODELS[1:count]:
        page.check(f"[name=models][value='{model}']")
    page.check("[name=is_blind]")
    visitor.check_accessible()
    page.locator("form.new-chat button[type=submit]").click()
    page.wait_for_url(CHAT_ADDRESS)
    return visitor


def set_sampling(page: Page, **settings: float) -> None:
    page.locator(".composer__settings > summary").click()
    for setting, value in settings.items():
        page.fill(f"#composer_{setting}", str(value))
    page.keyboard.press("Escape")


def send(page: Page, text: str) -> Locator:
    """The turn of a message that was just sent."""
    page.fill("#composer_text", text)
    page.press("#composer_text", "Enter")
    turn = page.locator(".turn", has=page.locator(".message__text", has_text=text))
    expect(turn).to_have_count(1)
    return turn


def wait_for_end(page: Page) -> None:
    expect(page.locator("[data-active]")).to_have_count(0, timeout=REPLY_LIMIT_MILLISECONDS)


def text_of(turn: Locator) -> str:
    return turn.locator(".reply").inner_text()


def open_actions(page: Page, reply: Locator) -> None:
    """On a narrow screen they lie in a sheet."""
    if page.viewport_size is not None and page.viewport_size["width"] < 768:
        reply.locator(".reply__more").click()


def shown_text(page: Page) -> str:
    """What has been streamed so far."""
    return page.locator(".reply__text").inner_text()


def wait_for_text(page: Page, *, more_than: int = 0) -> None:
    expect(page.locator(".reply__text")).to_have_text(
        re.compile(rf"[\s\S]{{{more_than + 1},}}"), timeout=REPLY_LIMIT_MILLISECONDS
    )


@LANGUAGES
def test_a_reply_is_drawn_again_and_both_takes_stay(visit: Visit, language: str) -> None:
    visitor = open_chat(visit, language, f"takes-{language}", **SHORT)
    page = visitor.page
    turn = send(page, "Who waters bed 3?")
    wait_for_end(page)
    first = page.locator(".reply").get_attribute("id")
    expect(turn.locator(".switcher")).to_have_count(0)

    open_actions(page, turn.locator(".reply"))
    turn.locator("form[action$='/regenerate/'] button").click()
    expect(page.locator(f"#{first}")).to_have_count(0)
    wait_for_end(page)
    expect(turn.locator(".reply .switcher__place")).to_contain_text("2")
    second = page.locator(".reply").get_attribute("id")
    seeds = [page.locator(".reply__settings dd").last.text_content()]
    visitor.check_accessible()

    turn.locator("[id^=previous-]").click()
    expect(page.locator(f"#{first}")).to_be_visible()
    # The button that was pressed leads nowhere now, so the keyboard goes on from the turn.
    expect(page.locator(".turn:focus")).to_have_count(1)
    page.reload()
    expect(page.locator(f"#{first}")).to_be_visible()
    seeds.append(page.locator(".reply__settings dd").last.text_content())
    assert seeds[0] != seeds[1]
    turn.locator("[id^=next-]").click()
    expect(page.locator(f"#{second}")).to_be_visible()
    expect(page.locator(f"#{first}")).to_have_count(0)


@LANGUAGES
def test_a_message_is_asked_differently_and_both_branches_stay(visit: Visit, language: str) -> None:
    visitor = open_chat(visit, language, f"branches-{language}", **SHORT)
    page = visitor.page
    send(page, "Who waters bed 3?")
    wait_for_end(page)
    send(page, "And on rainy days?")
    wait_for_end(page)
    expect(page.locator(".turn")).to_have_count(2)
    answered = text_of(page.locator(".turn").last)

    page.locator(".turn").last.locator("[id^=edit-]").click()
    box = page.locator(".message-edit textarea")
    expect(box).to_have_value("And on rainy days?")
    visitor.check_accessible()
    box.fill("And in the holidays?")
    page.locator(".message-edit button[type=submit]").click()
    expect(page.locator(".message__text").last).to_have_text("And in the holidays?")
    wait_for_end(page)
    expect(page.locator(".turn")).to_have_count(2)

    switcher = page.locator(".message .switcher")
    expect(switcher.locator(".switcher__place")).to_contain_text("2")
    switcher.locator("[id^=previous-]").click()
    expect(page.locator(".message__text").last).to_have_text("And on rainy days?")
    assert text_of(page.locator(".turn").last) == answered
    page.reload()
    expect(page.locator(".message__text").last).to_have_text("And on rainy days?")
    visitor.check_accessible()
    page.locator(".message .switcher [id^=next-]").click()
    expect(page.locator(".message__text").last).to_have_text("And in the holidays?")


def test_an_answer_to_a_click_that_comes_after_the_socket_disturbs_nothing(visit: Visit) -> None:
    page = open_chat(visit, "en", "overtaken", **SHORT).page
    send(page, "Who waters bed 3?")
    wait_for_end(page)
    page.locator(".turn [id^=edit-]").click()
    page.locator(".message-edit textarea").fill("And in the holidays?")
    page.locator(".message-edit button[type=submit]").click()
    wait_for_end(page)

    previous = page.locator(".message .switcher [id^=previous-]")
    held: list[tuple[Route, APIResponse]] = []
    page.route(
        "**" + (previous.get_attribute("hx-post") or ""),
        lambda route: held.append((route, route.fetch())),
    )
    previous.click()
    # The socket brings the other branch, and with it another switcher, while the answer is held back.
    expect(page.locator(".message__text")).to_have_text("Who waters bed 3?")
    route, answer = held.pop()
    with page.expect_response(route.request.url):
        route.fulfill(response=answer)
    expect(page.locator(".message__text")).to_have_text("Who waters bed 3?")
    page.locator(".message .switcher [id^=next-]").click()
    expect(page.locator(".message__text")).to_have_text("And in the holidays?")


@LANGUAGES
def test_stop_keeps_what_was_written_and_the_chat_goes_on(visit: Visit, language: str) -> None:
    page = open_chat(visit, language, f"stops-{language}", **LONG).page
    send(page, "Write a long story.")
    wait_for_text(page)
    page.locator(".composer__stop").click()
    expect(page.locator("[data-active]")).to_have_count(0, timeout=5_000)
    expect(page.locator(".reply__text")).not_to_be_empty()
    expect(page.locator(".composer__send")).to_be_visible()
    written = shown_text(page)
    page.reload()
    assert shown_text(page) == written


def test_a_page_that_is_loaded_again_in_mid_stream_shows_the_same_text(visit: Visit) -> None:
    page = open_chat(visit, "en", "reloads", **LONG).page
    send(page, "Write a long story.")
    wait_for_text(page, more_than=40)
    before = page.locator(".reply__text").text_content() or ""
    page.reload()
    expect(page.locator("[data-active]")).to_have_count(1)
    after = page.locator(".reply__text").text_content() or ""
    assert after.startswith(before)
    # The socket goes on where the page began, without a gap and without saying anything twice.
    wait_for_text(page, more_than=len(after) + 40)
    page.locator(".composer__stop").click()
    wait_for_end(page)
    streamed = shown_text(page)
    assert len(streamed) > len(after)
    page.reload()
    assert shown_text(page) == streamed


def test_two_students_stream_at_once_and_do_not_see_each_other(visit: Visit) -> None:
    rooms = {
        "apples": open_chat(visit, "en", "two-a", **LONG).page,
        "pears": open_chat(visit, "ja", "two-b", **LONG).page,
    }
    for word, page in rooms.items():
        send(page, f"A story about {word}")
    for page in rooms.values():
        wait_for_text(page)
    for page in rooms.values():
        expect(page.locator("[data-active]")).to_have_count(1)
    for word, page in rooms.items():
        other = next(known for known in rooms if known != word)
        expect(page.locator(".turn")).to_have_count(1)
        expect(page.locator("#conversation")).not_to_contain_text(other)
        assert page.request.get(rooms[other].url).status == 404
        page.locator(".composer__stop").click()
        expect(page.locator("[data-active]")).to_have_count(0, timeout=5_000)


@pytest.mark.parametrize("sign", [{"isComposing": True}, {"keyCode": 229}])
def test_an_enter_that_ends_a_conversion_sends_nothing(
    visit: Visit, sign: dict[str, object]
) -> None:
    page = open_chat(visit, "ja", f"ime-{next(iter(sign)).lower()}", **SHORT).page
    page.fill("#composer_text", "富士山")
    page.locator("#composer_text").dispatch_event(
        "keydown", {"key": "Enter", "bubbles": True} | sign
    )
    expect(page.locator("#composer_text")).to_have_value("富士山")
    expect(page.locator(".turn")).to_have_count(0)
    page.set_viewport_size({"width": 1280, "height": 800})
    page.press("#composer_text", "Enter")
    expect(page.locator(".message__text")).to_have_text("富士山")


# --- several models side by side -----------------------------------------------------------------------


def assert_fits(page: Page) -> None:
    """Nothing is cut off, and nothing scrolls sideways."""
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@LANGUAGES
def test_three_models_are_compared_blind_and_then_named(visit: Visit, language: str) -> None:
    visitor = open_comparison(visit, language, f"blind-{language}", count=3)
    page = visitor.page
    set_sampling(page, **LONG)
    turn = send(page, "Who waters bed 3?")
    expect(turn.locator(".reply")).to_have_count(3)
    expect(turn.locator(".turn__foot")).to_be_hidden()
    for reply in turn.locator(".reply").all():
        expect(reply.locator(".reply__text")).not_to_be_empty(timeout=REPLY_LIMIT_MILLISECONDS)
    page.reload()
    expect(turn.locator(".reply")).to_have_count(3)
    assert_fits(page)
    page.locator(".composer__stop").click()
    wait_for_end(page)

    vote = turn.locator(".vote")
    expect(vote.locator("button").first).to_be_enabled()
    assert not any(model in page.content() for model in MODELS)
    vote.locator("button").first.focus()
    page.keyboard.press("2")
    expect(vote.locator("[aria-pressed=true] .vote__key")).to_have_text("2")
    # The focus is where the vote is, and the next key finds its button from there.
    expect(vote.locator("button:focus")).to_have_count(1)
    expect(page.locator(".htmx-request")).to_have_count(0)
    page.keyboard.press("0")
    expect(vote.locator("[aria-pressed=true] .vote__key")).to_have_text("0")
    expect(vote.locator("button:focus")).to_have_count(1)
    expect(page.locator(".htmx-request")).to_have_count(0)
    page.keyboard.press("1")
    expect(vote.locator("[aria-pressed=true] .vote__key")).to_have_text("1")
    visitor.check_accessible()
    assert_fits(page)

    page.locator("[id^=reveal-]").click()
    expect(page.locator(".votes__table tbody tr")).to_have_count(3)
    expect(page.locator(".vote__final")).to_be_visible()
    for model in MODELS[:3]:
        expect(page.locator("#chat-models")).to_contain_text(model)
        expect(turn).to_contain_text(model)
    visitor.check_accessible()
    assert_fits(page)


@LANGUAGES
def test_differences_are_shown_and_hidden_again(visit: Visit, language: str) -> None:
    visitor = open_comparison(visit, language, f"differs-{language}", count=4)
    page = visitor.page
    set_sampling(page, **SHORT)
    turn = send(page, "Who waters bed 3?")
    wait_for_end(page)
    turn.locator("a[href$='/differences/']").click()
    expect(turn.locator(".differences .reply")).to_have_count(4)
    expect(turn.locator(".turn__replies").last).to_be_hidden()
    expect(page.locator(".differences:focus")).to_have_count(1)
    visitor.check_accessible()
    assert_fits(page)
    turn.locator("[data-close-differences]").click()
    expect(turn.locator(".differences")).to_have_count(0)
    expect(turn.locator(".reply").first).to_be_visible()
    expect(turn.locator("a[href$='/differences/']")).to_be_focused()


def test_what_is_done_in_one_window_is_seen_in_the_other(visit: Visit) -> None:
    page = open_comparison(visit, "en", "two-windows", count=2).page
    set_sampling(page, **SHORT)
    turn = send(page, "Who waters bed 3?")
    wait_for_end(page)
    other = page.context.new_page()
    other.goto(page.url)
    # Once its first message has come, nothing is missed.
    expect(other.locator("#chat-connection")).to_be_hidden()
    turn.locator("form.turn__again button").click()
    expect(turn.locator(".switcher__place")).to_have_count(2, timeout=REPLY_LIMIT_MILLISECONDS)
    wait_for_end(page)
    expect(other.locator(".switcher__place")).to_have_text(["2 of 2", "2 of 2"])

    turn.locator("[id^=previous-]").first.click()
    expect(other.locator(".switcher__place").first).to_have_text("1 of 2")
    turn.locator(".vote button").first.click()
    expect(other.locator(".vote [aria-pressed=true]")).to_have_count(1)
    page.locator("[id^=reveal-]").click()
    expect(other.locator("#chat-models")).to_contain_text("tiny-b")
    expect(other.locator(".turn")).to_contain_text("tiny-b")
    other.close()
