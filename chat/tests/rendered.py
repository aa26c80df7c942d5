"""A rendered reply as a browser would read it, and what may stand in it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlsplit

from chat.rendering import harmless_text

VOID = {"br", "hr"}
# Written out here a second time, so that a list grown by mistake is noticed.
PROSE = {
    *("p", "br", "hr", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a"),
    *("h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "div", "span", "button"),
}
MATHS = {
    *("math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mfrac", "msqrt", "mroot", "mstyle"),
    *("mpadded", "menclose", "msub", "msup", "msubsup", "munder", "mover", "munderover"),
    *("mtable", "mtr", "mtd"),
}
ATTRIBUTES = {
    "a": {
        "href": r"(https?://[^@\s\"'<>]+|mailto:\S+)",
        "rel": "noopener noreferrer nofollow",
        "title": r"(?s).*",
    },
    "button": {
        "class": "snippet__copy",
        "type": "button",
        "data-copy": r"code-[0-9a-f]{12}",
        "data-copied": r"\w+",
    },
    "code": {"id": r"code-[0-9a-f]{12}"},
    "div": {
        "class": r"markdown|markdown markdown--plain|table-scroll|math-scroll|snippet|snippet__bar",
        "hx-disable": "",
        "dir": "auto",
        "lang": "ja",
        "role": "group",
        "tabindex": "0",
        "aria-label": "Table|Formula",
    },
    "li": {"class": "task", "dir": "auto"},
    "math": {"alttext": r"(?s).*", "display": "inline|block"},
    "mtd": {"class": "math__left|math__right"},
    "ol": {"start": r"\d+"},
    "span": {
        "class": r"math-scroll|link-host|task__box|snippet__language|code__[a-z]+",
        "role": "group|img",
        "tabindex": "0",
        "aria-label": "Formula|Done|Not done",
        "data-copy-label": "",
    },
    **{tag: {"dir": "auto"} for tag in ("p", "h4", "h5", "h6", "th", "td")},
}
MATH_ATTRIBUTES = {
    **dict.fromkeys(
        ("accent", "displaystyle", "fence", "largeop", "movablelimits", "separator", "stretchy"),
        "true|false",
    ),
    **dict.fromkeys(
        ("lspace", "rspace", "width", "minsize", "maxsize"), r"-?[0-2]?(\.\d+)?(em)?|0px"
    ),
    "form": "prefix|infix|postfix",
    "linethickness": "0|0px",
    "mathvariant": "normal",
    "notation": "[a-z ]+",
    "scriptlevel": "[012]",
}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    parent: Element | None = None
    children: list[Element] = field(default_factory=list)
    text: str = ""
    """All text inside, in reading order."""

    def all(self, tag: str) -> list[Element]:
        found = [self] if self.tag == tag else []
        return found + [element for child in self.children for element in child.all(tag)]

    def has_class(self, name: str) -> bool:
        return name in self.attributes.get("class", "").split()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = self.here = Element("", {})
        self.others: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), "an attribute stands twice"
        element = Element(tag, {name: value or "" for name, value in attrs}, self.here)
        self.here.children.append(element)
        if tag not in VOID:
            self.here = element

    def handle_endtag(self, tag: str) -> None:
        assert self.here.tag == tag, f"</{tag}> closes <{self.here.tag}>"
        assert self.here.parent
        self.here = self.here.parent

    def handle_data(self, data: str) -> None:
        element: Element | None = self.here
        while element:
            element.text += data
            element = element.parent

    def handle_comment(self, data: str) -> None:
        self.others.append(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def read_html(html: str) -> Element:
    """The wrapping element; it fails on markup that is not well formed."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert reader.here is reader.root, f"<{reader.here.tag}> is never closed"
    assert not reader.others
    (wrapper,) = reader.root.children
    assert reader.root.text == wrapper.text, "text outside the wrapper"
    return wrapper


def assert_harmless(html: str) -> Element:
    assert harmless_text(html) == html
    wrapper = read_html(html)
    assert wrapper.has_class("markdown")
    assert "hx-disable" in wrapper.attributes
    for child in wrapper.children:
        _assert_allowed(child, is_maths=False)
    _assert_hosts_are_shown(wrapper)
    return wrapper


def _assert_allowed(element: Element, *, is_maths: bool) -> None:
    is_maths = is_maths or element.tag == "math"
    assert element.tag in (MATHS if is_maths else PROSE), element.tag
    allowed = dict(ATTRIBUTES.get(element.tag, {}))
    if is_maths:
        allowed |= MATH_ATTRIBUTES
    for name, value in element.attributes.items():
        assert name in allowed, f"{element.tag} {name}={value!r}"
        assert re.fullmatch(allowed[name], value), f"{element.tag} {name}={value!r}"
    for child in element.children:
        _assert_allowed(child, is_maths=is_maths)


def _assert_hosts_are_shown(element: Element) -> None:
    for place, child in enumerate(element.children):
        _assert_hosts_are_shown(child)
        if child.tag != "a" or "href" not in child.attributes:
            continue
        parts = urlsplit(child.attributes["href"])
        host = parts.netloc or parts.path
        following = element.children[place + 1] if place + 1 < len(element.children) else None
        is_named = (
            following is not None
            and following.has_class("link-host")
            and following.text == f"({host})"
        )
        assert is_named or re.match(rf"(https?://|mailto:)?{re.escape(host)}(/|$)", child.text), (
            child
        )
