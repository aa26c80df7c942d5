"""The pages of datasets as people use them, in Japanese and English: bring, mend, preview, change, split, share."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow.parquet
import pytest
from django.conf import settings
from playwright.sync_api import Locator, Page, Route, StorageState, expect

from tests.e2e.conftest import Visitor
from tests.e2e.product import ROOT, Product
from tests.e2e.test_main_flow import JAPANESE, sign_up

pytestmark = pytest.mark.e2e

WIDTHS = {"en": 1280, "ja": 360}
DATASET_ADDRESS = re.compile(r"/datasets/[0-9a-f-]{36}/$")
IMPORT_ADDRESS = re.compile(r"/datasets/imports/[0-9a-f-]{36}/$")
CHECK_LIMIT_MILLISECONDS = 60_000
LINE_3, LINE_7 = re.compile("Line 3|3行目"), re.compile("Line 7|7行目")
UTF8_BOM = b"\xef\xbb\xbf"
MAX_TABS = 25
# What the product says itself; names and examples of people are in any language.
WORDS = "main :is(h2, dt, legend, th, .button, .field__label, .tabs a):not([dir])"
# The element itself or the card that holds it shows where the keyboard is.
FOCUS_IS_VISIBLE = """() => {
  const focused = document.activeElement;
  for (let node = focused; node && node !== document.body; node = node.parentElement) {
    const style = getComputedStyle(node);
    if (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2) return true;
    if (node.matches("label, .choice-card")) break;
  }
  return focused === document.body;
}"""
DROP_FILE = """(zone, { name, text }) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([text], name));
  for (const type of ["dragover", "drop"]) {
    zone.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
  }
}"""

Enter = Callable[..., Visitor]


@pytest.fixture(scope="module")
def signed_in() -> dict[str, StorageState]:
    """What the browser of each person keeps, so that everybody signs up once."""
    return {}


@pytest.fixture
def enter(visit: Callable[..., Visitor], signed_in: dict[str, StorageState]) -> Enter:
    """Open the product as a person, in their language and at a width of the screens that it has."""

    def open_page(language: str, username: str) -> Visitor:
        visitor = visit(
            language,
            viewport={"width": WIDTHS[language], "height": 800},
            storage_state=signed_in.get(username),
        )
        if username not in signed_in:
            sign_up(visitor.page, username)
            signed_in[username] = visitor.page.context.storage_state()
        return visitor

    return open_page


@pytest.fixture(params=["en", "ja"])
def language(request: pytest.FixtureRequest) -> str:
    code: str = request.param
    return code


@pytest.fixture
def visitor(enter: Enter, language: str) -> Visitor:
    return enter(language, f"data-{language}")


@pytest.fixture
def page(visitor: Visitor) -> Page:
    return visitor.page


def records(count: int = 12) -> list[dict[str, str]]:
    return [
        {"instruction": f"How many legs have {number} cats?", "output": f"They have {4 * number}."}
        for number in range(1, count + 1)
    ]


def json_lines(rows: Iterable[dict[str, str]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def check_page(visitor: Visitor) -> None:
    """Accessible, no wider than the screen, in the right language, and usable with the keyboard alone."""
    page = visitor.page
    expect(page.locator("html")).to_have_attribute("lang", visitor.language)
    for words in filter(None, page.locator(WORDS).all_inner_texts()):
        assert bool(JAPANESE.search(words)) == (visitor.language == "ja"), words
    visitor.check_accessible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url
    for tab in page.locator("main .tabs [aria-current]").all():
        expect(tab).to_be_in_viewport(ratio=0.99)
    page.locator("main").focus()
    for _number in range(MAX_TABS):
        page.keyboard.press("Tab")
        assert page.evaluate(FOCUS_IS_VISIBLE), page.evaluate("document.activeElement.outerHTML")


def forgive_refusals(visitor: Visitor) -> None:
    """The browser notes a refused form in its console; those lines are what was asked for."""
    visitor.problems[:] = [line for line in visitor.problems if "status of 422" not in line]


def submit(page: Page) -> None:
    page.locator("#dataset-form button[type=submit]").click()


def choose_file(page: Page, name: str, text: str) -> None:
    page.goto("/datasets/new/")
    page.set_input_files(
        "#dataset-form input[type=file]",
        {"name": name, "mimeType": "text/plain", "buffer": text.encode()},
    )


def upload(page: Page, name: str, text: str) -> None:
    choose_file(page, name, text)
    submit(page)


def make_dataset(page: Page, name: str, text: str) -> str:
    """The address of a new dataset that is named like its file."""
    upload(page, f"{name}.jsonl", text)
    page.wait_for_url(DATASET_ADDRESS)
    return page.url


def example(page: Page, number: int) -> Locator:
    return page.locator(f"#example-{number}")


def download(page: Page, export_format: str) -> bytes:
    menu = page.locator(".toolbar .download-menu")
    if menu.get_attribute("open") is None:
        menu.locator("summary").click()
    with page.expect_download() as started:
        menu.locator(f"a[href*='format={export_format}']").click()
    return started.value.path().read_bytes()


def test_a_file_is_dropped_or_chosen_and_its_progress_is_shown(
    visitor: Visitor, page: Page
) -> None:
    page.goto("/datasets/new/")
    check_page(visitor)
    progress = page.locator("[data-upload-progress]")
    zone = page.locator("[data-dropzone]")
    expect(progress).to_be_hidden()

    zone.evaluate(DROP_FILE, {"name": "nothing.jsonl", "text": ""})
    expect(page.locator("[data-chosen-text]")).to_contain_text("nothing.jsonl")
    submit(page)
    expect(page.locator("#dataset-form [role=alert]:visible")).to_have_count(1)
    expect(progress).to_be_hidden()
    check_page(visitor)
    forgive_refusals(visitor)

    held: list[Route] = []
    page.route(
        "**/datasets/new/",
        lambda route: held.append(route) if route.request.method == "POST" else route.continue_(),
    )
    zone.evaluate(DROP_FILE, {"name": "dropped.jsonl", "text": json_lines(records())})
    submit(page)
    expect(progress).to_be_visible()
    expect(page.locator("#dataset-form button[type=submit]")).to_be_disabled()
    held.pop().continue_()
    page.wait_for_url(DATASET_ADDRESS)
    expect(page.locator("h1")).to_have_text("dropped")
    expect(progress).to_have_count(0)
    page.unroute_all()

    choose_file(page, "Ærø (1).jsonl", json_lines(records()))
    expect(page.locator("[data-chosen-text]")).to_contain_text("Ærø (1).jsonl")
    submit(page)
    page.wait_for_url(DATASET_ADDRESS)
    expect(page.locator("h1")).to_have_text("Ærø (1)")
    expect(page.locator(".example")).to_have_count(10)
    check_page(visitor)


def test_unknown_columns_are_chosen_by_keyboard_and_remembered(
    visitor: Visitor, page: Page
) -> None:
    table = "deck,back,front\n" + "".join(
        f"animals,{row['output']},{row['instruction']}\n" for row in records()
    )
    upload(page, "cards.csv", table)
    page.wait_for_url(IMPORT_ADDRESS)
    check_page(visitor)

    page.locator("[name=shape]:checked").focus()
    keyboard = page.keyboard
    keyboard.press("ArrowDown")
    expect(page.locator("[name=shape][value=chat]")).to_be_checked()
    keyboard.press("ArrowUp")
    expect(page.locator("[name='instruction-output']")).to_be_visible()
    for column in ("front", "back"):
        keyboard.press("Tab")
        keyboard.type(column)
    expect(page.locator("[name='instruction-instruction']")).to_have_value("front")
    expect(page.locator("[name='instruction-output']")).to_have_value("back")
    page.locator("button[value=map]").focus()
    keyboard.press("Enter")
    page.wait_for_url(DATASET_ADDRESS)
    expect(example(page, 1).locator(".turn--user")).to_contain_text(records()[0]["instruction"])
    expect(example(page, 1).locator(".turn--trained")).to_contain_text(records()[0]["output"])

    upload(page, "more cards.csv", table)
    page.wait_for_url(DATASET_ADDRESS)
    expect(page.locator("h1")).to_have_text("more cards")


def test_rows_with_faults_are_named_and_left_out(visitor: Visitor, page: Page) -> None:
    lines = json_lines(records()).splitlines()
    lines[2] = "this is no JSON"
    lines[6] = '{"instruction": "Where is the answer?", "output": ""}'
    upload(page, "faults.jsonl", "\n".join(lines))
    page.wait_for_url(IMPORT_ADDRESS)
    findings = page.locator(".findings")
    expect(findings.locator("li.alert--danger")).to_have_count(2)
    expect(findings).to_contain_text(LINE_3)
    expect(findings).to_contain_text(LINE_7)
    check_page(visitor)

    page.goto("/datasets/")
    page.locator("[aria-labelledby=imports-title] .item__title").first.click()
    page.wait_for_url(IMPORT_ADDRESS)
    page.locator("button[value=skip]").click()
    page.wait_for_url(DATASET_ADDRESS)
    expect(page.locator("h1")).to_have_text("faults")
    page.locator(".dataset-tabs a[href$='/report/']").click()
    page.wait_for_url("**/report/")
    expect(page.locator(".score--ready_but .score__counts dd")).to_have_text(["12", "10", "2"])
    expect(page.locator(".findings")).to_contain_text(LINE_3)
    check_page(visitor)


def test_a_large_file_is_checked_by_the_worker(
    visitor: Visitor, page: Page, tmp_path: Path
) -> None:
    answer = "They walk on the wall at night. " * 4
    count = settings.REQUEST_CHECK_BYTES // len(answer) + 2_000
    file = tmp_path / "large.jsonl"
    file.write_text(
        json_lines(
            {"instruction": f"What do {number} cats do?", "output": answer}
            for number in range(count)
        )
    )
    assert file.stat().st_size > settings.REQUEST_CHECK_BYTES
    page.goto("/datasets/new/")
    page.set_input_files("#dataset-form input[type=file]", file)
    submit(page)
    page.wait_for_url(IMPORT_ADDRESS)
    expect(page.locator("#import-status progress")).to_be_visible()
    page.reload()
    expect(page.locator("#import-status progress")).to_be_visible()
    # The page reloads itself when the worker is done, which must not happen while it is examined.
    page.route("**/status/", lambda _route: None)
    check_page(visitor)
    page.unroute_all()
    page.wait_for_url(DATASET_ADDRESS, timeout=CHECK_LIMIT_MILLISECONDS)
    expect(page.locator("h1")).to_have_text("large")
    expect(page.locator("nav.pagination")).to_contain_text(f"{count:,}")


def test_text_is_pasted(visitor: Visitor, page: Page) -> None:
    page.goto("/datasets/new/?source=paste")
    check_page(visitor)
    page.fill("[name=text]", json_lines(records(3)))
    page.fill("#dataset-form [name=name]", "pasted")
    submit(page)
    page.wait_for_url(DATASET_ADDRESS)
    expect(page.locator(".example")).to_have_count(3)


def test_the_page_of_the_hub_says_when_nothing_is_allowed(visitor: Visitor, page: Page) -> None:
    page.goto("/datasets/new/?source=hub")
    expect(page.locator("#dataset-form .alert--info")).to_be_visible()
    expect(page.locator("#dataset-form button[type=submit]")).to_be_disabled()
    check_page(visitor)


def test_a_starter_set_is_used(visitor: Visitor, page: Page) -> None:
    page.goto("/courses/starter-datasets/")
    check_page(visitor)
    page.locator("details.disclosure summary").nth(1).click()
    check_page(visitor)
    page.locator("form:has([name=level][value='2']) button[value=train]").click()
    page.wait_for_url("**/training/new/?dataset=*")
    expect(page.locator("[name=name]")).to_be_visible()
    page.goto("/datasets/")
    expect(page.locator(".dataset-list .item").first).to_contain_text("2")
    check_page(visitor)


def test_the_preview_shows_what_is_cut(visitor: Visitor, page: Page) -> None:
    rows = records()
    rows[0]["instruction"] += " Count them one by one, and tell how you counted." * 12
    make_dataset(page, "preview", json_lines(rows))
    page.locator(".dataset-tabs a[href$='/preview/']").click()
    page.wait_for_url("**/preview/")
    cut = page.locator(".token-rows del")
    expect(page.locator(".token-rows mark").first).to_be_visible()
    expect(cut).to_have_count(0)
    expect(page.locator(".histogram__line-label")).not_to_contain_text("64")

    page.fill("[name=max_length]", "64")
    page.locator("#preview-show").click()
    page.wait_for_url("**/preview/?*max_length=64*")
    expect(cut.first).to_be_visible()
    assert "line-through" in cut.first.evaluate("node => getComputedStyle(node).textDecorationLine")
    expect(page.locator("line.histogram__line")).to_have_count(1)
    expect(page.locator(".histogram__line-label")).to_contain_text("64")
    check_page(visitor)

    page.locator("nav.pagination [rel=next]").click()
    page.wait_for_url("**/preview/?*page=2*")
    expect(page.locator(".token-row__number").first).to_contain_text("11")
    expect(page.locator("[name=max_length]")).to_have_value("64")
    page.go_back()
    expect(page.locator(".token-row__number").first).to_contain_text("1")


def test_examples_are_changed_compared_and_downloaded(visitor: Visitor, page: Page) -> None:
    address = make_dataset(page, "changing", json_lines(records(3)))
    note = page.locator(".change-note[role=status]")

    example(page, 2).locator("a[href$='/examples/2/']").click()
    page.wait_for_url("**/examples/2/")
    check_page(visitor)
    page.fill("[name=output]", "They have eight.")
    page.locator("#example-form button.button--primary").click()
    page.wait_for_url("**saved=2*")
    expect(example(page, 2)).to_contain_text("They have eight.")

    page.locator("a[href$='/examples/new/']").click()
    page.wait_for_url("**/examples/new/")
    page.fill("[name=instruction]", "猫は何本足ですか。")
    page.fill("[name=output]", "四本足です。")
    page.locator("#example-form button.button--primary").click()
    page.wait_for_url("**saved=3*")
    expect(example(page, 4)).to_contain_text("四本足です。")

    page.locator("form[action$='/examples/1/delete/'] button").click()
    page.wait_for_url("**saved=4*")
    expect(page.locator(".example")).to_have_count(3)
    note.locator("button").click()
    page.wait_for_url("**saved=5*")
    expect(page.locator(".example")).to_have_count(4)
    check_page(visitor)

    page.locator(".dataset-tabs a[href$='/versions/']").click()
    page.wait_for_url("**/versions/")
    expect(page.locator(".version-list > li")).to_have_count(5)
    check_page(visitor)
    page.select_option("[name=from]", "1")
    page.select_option("[name=to]", "5")
    page.locator(".compare-form button").click()
    page.wait_for_url("**/versions/1/5/")
    expect(page.locator(".diff-stats .stat__value")).to_have_text(["1", "0", "1", "2"])
    changed = page.locator(".difference--changed")
    expect(changed.locator("del")).to_have_text(["8"])
    expect(changed.locator("ins")).to_have_text(["eight"])
    expect(page.locator(".difference--added")).to_contain_text("四本足です。")
    check_page(visitor)

    page.goto(address)
    lines = download(page, "jsonl").decode().splitlines()
    assert [json.loads(line)["output"] for line in lines][1:] == [
        "They have eight.",
        "They have 12.",
        "四本足です。",
    ]
    table = download(page, "csv")
    assert table.startswith(UTF8_BOM)
    assert "四本足です。" in table.decode()
    parquet = pyarrow.parquet.read_table(io.BytesIO(download(page, "parquet")))
    assert parquet.num_rows == 4


def test_turns_of_a_chat_are_added_and_removed(visitor: Visitor, page: Page) -> None:
    turns = [
        {"role": "user", "content": "How many legs has a cat?"},
        {"role": "assistant", "content": "It has four."},
    ]
    make_dataset(page, "chat", json.dumps({"messages": turns}))
    page.locator("a[href$='/examples/1/']").click()
    page.wait_for_url("**/examples/1/")
    page.locator("[name=add_turn]").click()
    expect(page.locator("[name='turn-2-content']")).to_be_focused()
    page.keyboard.type("And a bird?")
    page.locator("[name=add_turn]").click()
    expect(page.locator("[name='turn-3-content']")).to_be_focused()
    page.keyboard.type("It has two.")
    check_page(visitor)
    page.locator("[name=add_turn]").click()
    page.locator("[name=remove_turn][value='4']").click()
    expect(page.locator(".turn-fields")).to_have_count(4)
    page.locator("#example-form button.button--primary").click()
    page.wait_for_url("**saved=2*")
    expect(example(page, 1).locator(".turn__content")).to_have_text(
        ["How many legs has a cat?", "It has four.", "And a bird?", "It has two."]
    )


def test_a_file_becomes_the_next_version_and_an_old_one_is_deleted(
    visitor: Visitor, page: Page
) -> None:
    address = make_dataset(page, "growing", json_lines(records(3)))
    page.goto(f"{address}versions/")
    page.locator("a[href*='/datasets/new/?target=']").click()
    page.wait_for_url("**/datasets/new/?target=*")
    check_page(visitor)
    page.locator("[data-dropzone]").evaluate(
        DROP_FILE, {"name": "more.jsonl", "text": json_lines(records(5))}
    )
    submit(page)
    page.wait_for_url(DATASET_ADDRESS)
    assert page.url == address
    expect(page.locator(".example")).to_have_count(5)

    page.goto(f"{address}?version=1")
    expect(page.locator(".example")).to_have_count(3)
    check_page(visitor)
    page.goto(f"{address}versions/1/delete/")
    check_page(visitor)
    page.locator("main form button[type=submit]").click()
    page.wait_for_url("**/versions/")
    expect(page.locator(".version-list > li")).to_have_count(1)
    page.goto(f"{address}delete/")
    check_page(visitor)


def test_a_dataset_is_split_without_a_leak(visitor: Visitor, page: Page) -> None:
    whole = make_dataset(page, "whole", json_lines(records(20)))
    page.locator("a[href$='/split/']").click()
    page.wait_for_url("**/split/")
    check_page(visitor)
    page.fill("[name=amount]", "25")
    page.fill("[name=training_name]", "to learn")
    page.fill("[name=evaluation_name]", "to measure")
    page.locator("#split-form button.button--primary").click()
    page.wait_for_url(DATASET_ADDRESS)
    expect(page.locator("h1")).to_have_text("to learn")
    expect(page.locator(".example").last).to_be_visible()

    compare(page, page.url, "to measure")
    expect(page.locator("main .alert--success")).to_contain_text("to measure")
    check_page(visitor)
    compare(page, whole, "to measure")
    expect(page.locator("main .alert--warning")).to_contain_text("5")
    expect(page.locator("main .table tbody tr")).to_have_count(5)
    check_page(visitor)


def compare(page: Page, training: str, evaluation: str) -> None:
    page.goto(f"{training}report/")
    page.locator("a[href$='/overlap/']").click()
    page.wait_for_url("**/overlap/")
    page.select_option("[name=with]", label=evaluation)
    page.locator("form:has([name=with]) button").click()
    page.wait_for_url("**/overlap/?with=*")


def test_a_dataset_is_shared_with_a_cohort(
    enter: Enter, visitor: Visitor, page: Page, product: Product, language: str
) -> None:
    reader = enter(language, f"reader-{language}")
    make_cohort(
        product,
        f"Class {language}",
        {f"data-{language}": "student", f"reader-{language}": "student"},
    )
    address = make_dataset(page, "shared", json_lines(records(3)))
    page.locator(".dataset-tabs a[href$='/sharing/']").click()
    page.wait_for_url("**/sharing/")
    check_page(visitor)
    page.locator(".choice-card", has_text=f"Class {language}").click()
    page.locator("#sharing-save").click()
    expect(page.locator("main .alert--success")).to_contain_text(f"Class {language}")
    check_page(visitor)

    seen = reader.page
    seen.goto("/datasets/?show=shared")
    check_page(reader)
    seen.locator(".dataset-list .item__title", has_text="shared").click()
    seen.wait_for_url(DATASET_ADDRESS)
    assert seen.url == address
    expect(seen.locator(".example")).to_have_count(3)
    expect(seen.locator("a[href*='/examples/'], form[action$='/delete/']")).to_have_count(0)
    answer = seen.request.get(f"{address}examples/1/")
    assert answer.status == 403
    seen.goto(f"{address}sharing/")
    check_page(reader)

    seen.locator("form[action$='/fork/'] button").click()
    seen.wait_for_url(DATASET_ADDRESS)
    assert seen.url != address
    expect(seen.locator("a[href$='/examples/1/']")).to_have_count(1)


def test_members_add_rows_and_leaders_accept_them(
    enter: Enter, product: Product, language: str
) -> None:
    leader = enter(language, f"leader-{language}")
    member = enter(language, f"member-{language}")
    make_cohort(
        product,
        f"Rows {language}",
        {f"leader-{language}": "instructor", f"member-{language}": "student"},
    )
    page = leader.page
    page.goto("/datasets/new-class/")
    check_page(leader)
    page.fill("[name=name]", "gathered")
    page.fill("[name=question]", "How many legs has a cat?")
    page.fill("[name=answer]", "It has four.")
    page.locator("#class-dataset-save").click()
    page.wait_for_url("**/rows/")

    member.page.goto(page.url)
    member.page.fill("[name=question]", "How many legs has a bird?")
    member.page.fill("[name=answer]", "It has two.")
    member.page.locator("#row-add").click()
    expect(member.page.locator(".class-row .badge--warning")).to_have_count(1)
    check_page(member)

    page.reload()
    expect(page.locator(".class-row__turns")).to_contain_text("It has two.")
    check_page(leader)
    page.locator(".class-row__actions button[value=accept]").click()
    page.locator("#rows-save").click()
    expect(page.locator("#rows-save")).to_have_count(0)
    check_page(leader)
    page.locator(".dataset-tabs a").first.click()
    page.wait_for_url(DATASET_ADDRESS)
    expect(example(page, 2)).to_contain_text("It has two.")


def make_cohort(product: Product, name: str, roles: dict[str, str]) -> None:
    """As an instructor does on the admin pages."""
    script = (
        "from accounts.models import Cohort, Membership, User\n"
        f"cohort = Cohort.objects.create(name={name!r})\n"
        f"for username, role in {roles!r}.items():\n"
        "    person = User.objects.get(username=username)\n"
        "    Membership.objects.create(cohort=cohort, user=person, role=role)\n"
    )
    subprocess.run(
        [sys.executable, "manage.py", "shell", "-c", script],
        cwd=ROOT,
        env=os.environ | {"LLMLORA_HOME": str(product.home)},
        check=True,
        capture_output=True,
    )
