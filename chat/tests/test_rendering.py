"""Markdown of a reply becomes the structure that its author meant, in Japanese as in English."""

from __future__ import annotations

import re

import pytest
from django.utils import translation

from chat.rendering import render_markdown
from chat.rendering.code_blocks import LANGUAGES, MAX_HIGHLIGHTED_CHARACTERS
from chat.rendering.tables import MAX_TABLE_CELLS
from chat.tests.rendered import Element, assert_harmless


def render(text: str) -> Element:
    return assert_harmless(render_markdown(text))


def texts(root: Element, tag: str) -> list[str]:
    return [element.text.strip() for element in root.all(tag)]


def test_markdown_becomes_structure() -> None:
    root = render(
        "# Title\n\nFirst\nsecond **bold** *soft* ~~gone~~ `code`\n\n- one\n  1. two\n\n> said\n\n---\n\n3. three"
    )
    assert texts(root, "h4") == ["Title"]
    assert texts(root, "p")[0] == "First\nsecond bold soft gone code"
    assert len(root.all("br")) == len(root.all("hr")) == 1
    assert [texts(root, tag) for tag in ("strong", "em", "s", "code")] == [
        ["bold"],
        ["soft"],
        ["gone"],
        ["code"],
    ]
    assert texts(root.all("ul")[0], "ol") == ["two"]
    assert texts(root, "blockquote") == ["said"]
    assert root.all("ol")[-1].attributes == {"start": "3"}


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("# a\n\n## b\n\n### c\n\n###### d", ["h4", "h5", "h6", "h6"]),
        ("### a\n\n### b\n\n#### c\n\n### d", ["h4", "h4", "h5", "h4"]),
        ("# a\n\n#### b\n\n## c", ["h4", "h5", "h5"]),
    ],
)
def test_headings_stay_below_that_of_their_reply_without_gaps(text: str, levels: list[str]) -> None:
    assert re.findall(r"<(h\d)", render_markdown(text)) == levels


def test_a_link_opens_without_handing_over_this_page() -> None:
    (link,) = render("[a](https://example.org/x)").all("a")
    assert link.attributes == {
        "href": "https://example.org/x",
        "rel": "noopener noreferrer nofollow",
    }


@pytest.mark.parametrize(
    ("text", "tag", "inside"),
    [
        ("これは**「強調」**です。", "strong", ["「強調」"]),
        ("**強調。**次の文", "strong", ["強調。"]),
        ("前の文。**強調**、後", "strong", ["強調"]),
        ("値は**`x`**です", "strong", ["x"]),
        ("関数*（注）*の", "em", ["（注）"]),
        ("古い~~（値）~~です", "s", ["（値）"]),
        ("**おめでとう🎉**と言う", "strong", ["おめでとう🎉"]),
        ("**한국어(Korean)**를", "strong", ["한국어(Korean)"]),
        ("snake_case_name と日本_語_名", "em", []),
        ("2 * 3 * 4 と ** です", "strong", []),
        ('"**a.**"b and a*b*c', "strong", ["a."]),
    ],
)
def test_emphasis_beside_wide_characters(text: str, tag: str, inside: list[str]) -> None:
    assert texts(render(text), tag) == inside


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("これは日本語の返答です。", "ja"),
        ("An answer in English.", None),
        ("机器学习是人工智能的分支。", None),
    ],
)
def test_japanese_says_that_it_is_japanese(text: str, lang: str | None) -> None:
    assert render(text).attributes.get("lang") == lang


def test_full_width_spaces_and_bare_newlines_stay() -> None:
    root = render("　字下げ　空白\n次の行")
    assert root.text.strip("\n") == "　字下げ　空白\n次の行"
    assert len(root.all("br")) == 1


def test_each_block_runs_in_its_own_direction() -> None:
    root = render("# أ\n\nمرحبا\n\n- שלום\n\n|a|\n|-|\n|ب|")
    directed = [element for tag in ("h4", "p", "li", "th", "td") for element in root.all(tag)]
    assert len(directed) == 5
    assert all(element.attributes["dir"] == "auto" for element in directed)


def test_a_table_scrolls_by_itself_and_the_keyboard_reaches_it() -> None:
    root = render("| a | b |\n|:--|--:|\n| 1 | **2** |")
    (scroller,) = (element for element in root.all("div") if element.has_class("table-scroll"))
    assert scroller.attributes["tabindex"] == "0"
    assert scroller.attributes["aria-label"] == "Table"
    assert texts(scroller, "th") == ["a", "b"]
    assert texts(scroller, "td") == ["1", "2"]


def test_a_table_may_be_as_large_as_a_page_can_show() -> None:
    def table(rows: int) -> str:
        return "|a|b|c|\n|-|-|-|\n" + "|1|2|3|\n" * rows + "\n" + "end\n\n" * 500

    assert len(render(table(100)).all("td")) == 300
    assert not render(table(MAX_TABLE_CELLS // 3)).all("td")


def test_tasks_are_marked_without_a_form() -> None:
    root = render("- [ ] open\n- [x] **done**\n- [x](https://a.example) link\n- plain [ ] x")
    boxes = [element for element in root.all("span") if element.has_class("task__box")]
    assert [(box.text, box.attributes["aria-label"]) for box in boxes] == [
        ("☐", "Not done"),
        ("☑", "Done"),
    ]
    assert texts(root, "li")[:2] == ["☐ open", "☑ done"]
    assert not root.all("input")


def test_code_has_its_language_a_button_and_colours() -> None:
    code = 'def f(x):\n    return "<b>"  # 注\n'
    root = render(f"```python\n{code}```")
    (element,) = root.all("code")
    (button,) = root.all("button")
    assert element.text == code
    assert button.attributes["data-copy"] == element.attributes["id"]
    assert [span.text for span in root.all("span") if span.has_class("snippet__language")] == [
        "Python"
    ]
    colored = {span.text: span.attributes["class"] for span in element.all("span")}
    assert colored["def"] == "code__keyword"
    assert colored['"<b>"'] == "code__string"
    assert colored["# 注"] == "code__comment"


@pytest.mark.parametrize("language", sorted(set(LANGUAGES)))
def test_no_lexer_loses_a_character(language: str) -> None:
    code = "\n\n  a = 'x' # <b>\t$ ${y}\n> $ ls -l\n-1\n+2\n<?php echo 1; ?>\n\\begin{x}\n@q: 日本 \n\n"
    (element,) = render(f"```{language}\n{code}```").all("code")
    assert element.text == code


@pytest.mark.parametrize(
    ("info", "label"),
    [
        ("mermaid", "mermaid"),
        ("", ""),
        ("js copy", "JavaScript"),
        ("x<b>", ""),
        ("言語", ""),
        ("a" * 40, ""),
    ],
)
def test_a_language_is_named_only_by_a_name(info: str, label: str) -> None:
    root = render(f"```{info}\nx\n```")
    assert [span.text for span in root.all("span") if span.has_class("snippet__language")] == [
        label
    ]


def test_long_code_is_shown_without_colours() -> None:
    code = "x = 1\n" * (MAX_HIGHLIGHTED_CHARACTERS // 6 + 1)
    (element,) = render(f"```python\n{code}```").all("code")
    assert element.text == code
    assert not element.all("span")


def test_code_whose_colours_take_too_long_is_still_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.rendering.code_blocks.HIGHLIGHTING_SECONDS", -1)
    (element,) = render("```python\ny = 1  # out of time\n```").all("code")
    assert element.text == "y = 1  # out of time\n"
    assert not element.all("span")


def test_an_open_fence_and_indented_code_are_code() -> None:
    root = render("    indented\n\ntext\n\n```python\nx = 1")
    assert texts(root, "code") == ["indented", "x = 1"]


def test_each_block_of_code_has_a_name_of_its_own() -> None:
    root = render("```\nsame\n```\n\n```\nsame\n```")
    assert len({element.attributes["id"] for element in root.all("code")}) == 2


def test_labels_are_in_the_language_of_the_reader() -> None:
    text = "|a|\n|-|\n|1|\n\n- [x] b"
    with translation.override("ja"):
        japanese = render_markdown(text)
    assert 'aria-label="完了"' in japanese
    assert 'aria-label="Done"' in render_markdown(text)
