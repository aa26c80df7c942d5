"""TeX in a reply becomes a formula; prices, shell variables and what is broken stay text."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.rendering import render_markdown
from chat.rendering.mathml import MAX_TEX_CHARACTERS, MAX_TEX_NESTING
from chat.rendering.parser import MAX_FORMULAS
from chat.tests.rendered import Element, assert_harmless


@pytest.fixture(autouse=True)
def _nothing_was_raised(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What is raised inside is shown as plain text, which would hide it from these tests."""
    yield
    assert not [record for record in caplog.get_records("call") if record.levelname == "ERROR"]


def render(text: str) -> Element:
    return assert_harmless(render_markdown(text))


def formulas(text: str) -> list[tuple[str, str]]:
    return [
        (found.attributes["alttext"], found.attributes["display"])
        for found in render(text).all("math")
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the loss $L(\\theta)$ falls", [("L(\\theta)", "inline")]),
        ("値は$x_i$です", [("x_i", "inline")]),
        ("a \\(a<b\\) c", [("a<b", "inline")]),
        ("so $$x^2$$ holds", [("x^2", "block")]),
        ("so \\[x^2\\] holds", [("x^2", "block")]),
        ("before\n\\[\nx\n= y\n\\]\nafter", [("x\n= y", "block")]),
        ("$$\n- a\n+ b\n$$", [("- a\n+ b", "block")]),
        ("- item\n  $$\n  x\n  $$\n- next", [("x", "block")]),
        ("> $$\n> x\n> $$", [("x", "block")]),
        ("$$x$$ and $y$-axis", [("x", "block"), ("y", "inline")]),
        ("$3$ and $5x$ and $2 + 2$", [("3", "inline"), ("5x", "inline"), ("2 + 2", "inline")]),
        ("| $a$ | b |\n|--|--|\n| 1 | $c$ |", [("a", "inline"), ("c", "inline")]),
    ],
)
def test_each_notation_becomes_a_formula(text: str, expected: list[tuple[str, str]]) -> None:
    assert formulas(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "It costs $5 and $6.",
        "from $5, or 10$ each",
        "US$5 (AU$6)",
        "$HOME/$USER and $PATH",
        "a $ b $ c",
        "an open $x",
        "\\$x\\$",
        "`$x$`",
        "```\n$x$\n```",
        "    $$x$$",
        "$$$$ and \\(\\)",
        "$$\nx\n\ny\n$$",
    ],
)
def test_what_is_no_formula_stays_as_it_is(text: str) -> None:
    assert formulas(text) == []


@pytest.mark.parametrize(
    "tex",
    [
        *("\\frac{", "x^", "\\left(x", "\\unknown{x}", "a & b", "\\begin{matrix}x", "}{", "x_1_2"),
        *(
            "\\href{https://a.example}{x}",
            "\\input{x}",
            "\\def\\a{b}\\a",
            "\\style{x}{y}",
            "\\rule{1em}{1em}",
        ),
        "x" * (MAX_TEX_CHARACTERS + 1),
        "{" * (MAX_TEX_NESTING + 1) + "}" * (MAX_TEX_NESTING + 1),
        "\\hat" * 100 + " x",
        "\\sqrt" * 200 + " x",
    ],
)
def test_what_cannot_be_set_is_shown_as_it_was_written(tex: str) -> None:
    root = render(f"so ${tex}$ holds\n\n\\[{tex}\\]")
    assert not root.all("math")
    assert [element.text for element in root.all("code")] == [f"${tex}$", f"\\[{tex}\\]"]


@pytest.mark.parametrize(
    ("tex", "tag", "text"),
    [
        ("\\frac{a}{b}", "mfrac", "ab"),
        ("\\text{もし }x<0", "mtext", "もし\u00a0"),
        ("\\boxed{42}", "menclose", "42"),
        ("\\mathbb{R}", "mi", "ℝ"),
        ("\\begin{cases}1&x>0\\\\[1em]0&x\\le0\\end{cases}", "mtable", "1x>00x≤0"),
        ("\\begin{aligned}a&=b\\\\c&=d\\end{aligned}", "mtable", "a=bc=d"),
        ("\\begin{align}a&=b\\label{q}\\end{align}", "mtable", "a=b"),
        ("\\begin{equation}a\\notag\\end{equation}", "mi", "a"),
        ("\\arg\\max_x", "mo", "arg"),
        ("\\color{red}{x}", "mi", "x"),
    ],
)
def test_what_a_class_meets_is_set(tex: str, tag: str, text: str) -> None:
    assert render(f"$${tex}$$").all(tag)[0].text == text


def test_columns_keep_their_side() -> None:
    cells = render("$$\\begin{aligned}a&=b\\end{aligned}$$").all("mtd")
    assert [cell.attributes["class"] for cell in cells] == ["math__right", "math__left"]


def test_a_wide_formula_scrolls_by_itself() -> None:
    root = render(f"short $x$ and long ${'x + ' * 20}y$")
    scrollers = [element for element in root.all("span") if element.has_class("math-scroll")]
    assert [scroller.attributes["tabindex"] for scroller in scrollers] == ["0"]


def test_formulas_after_the_last_allowed_are_shown_as_written() -> None:
    root = render("$x$ " * (MAX_FORMULAS + 3))
    assert len(root.all("math")) == MAX_FORMULAS
    assert [element.text for element in root.all("code")] == ["$x$"] * 3


@given(
    st.lists(
        st.sampled_from(
            [
                *(
                    "\\frac",
                    "\\sqrt",
                    "{",
                    "}",
                    "^",
                    "_",
                    "&",
                    "\\\\",
                    "x",
                    "1",
                    "\\text{<b>}",
                    "\\left(",
                    "\\right)",
                ),
                *(
                    "\\begin{matrix}",
                    "\\end{matrix}",
                    "\\begin{aligned}",
                    "\\end{aligned}",
                    "'",
                    "\\sum",
                    "[",
                    "]",
                ),
                *(
                    "\\href{javascript:a}",
                    "\\unicode{x202e}",
                    "\\color{red}",
                    "\\operatorname{a}",
                    "\\not",
                    "%",
                    "<",
                ),
                *(
                    "\\hspace{99em}",
                    "\\genfrac",
                    "\\sideset",
                    "\\skew",
                    "\\limits",
                    "\\big",
                    "\\middle",
                    "\\verb|<|",
                ),
            ]
        ),
        max_size=20,
    ).map("".join)
)
@settings(max_examples=300, deadline=None)
def test_no_tex_escapes_the_allow_list(tex: str) -> None:
    assert_harmless(render_markdown(f"${tex}$ \\[{tex}\\]"))
