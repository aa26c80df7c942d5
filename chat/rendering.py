"""A finished reply as HTML.

What a model writes is hostile: raw HTML is text, and only an allow-list of tags survives.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import nh3
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

MAX_MARKDOWN_CHARACTERS = 20_000
"""Longer than any answer here; a longer text is shown as it is, since the parser's time is not linear in it."""

ALLOWED_ATTRIBUTES: dict[str, set[str]] = {"a": {"href", "title"}, "ol": {"start"}}
ALLOWED_TAGS = frozenset(
    {"p", "br", "hr", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a"}
    | {"h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"}
)
ALLOWED_SCHEMES = frozenset({"http", "https", "mailto"})
LINK_REL = "noopener noreferrer nofollow"

# A reply stands under a heading of level 3, so its own headings begin below that.
HEADINGS = {"h1": "h4", "h2": "h5", "h3": "h6", "h4": "h6", "h5": "h6", "h6": "h6"}

# An image would tell a foreign server that the answer was read, so its source becomes a plain link.
_markdown = (
    MarkdownIt("commonmark", {"html": False, "breaks": True})
    .enable(["table", "strikethrough"])
    .disable("image")
)


@lru_cache(maxsize=512)
def render_markdown(text: str) -> SafeString:
    """The text as sanitised HTML in an element whose htmx attributes, if one came through, would do nothing."""
    if len(text) > MAX_MARKDOWN_CHARACTERS:
        return format_html('<div class="markdown markdown--plain" hx-disable>{}</div>', text)
    return mark_safe(f'<div class="markdown" hx-disable>{_clean_html(text)}</div>')  # noqa: S308 - the allow-list below


def _clean_html(text: str) -> str:
    tokens = _markdown.parse(text)
    _lower_headings(tokens)
    return nh3.clean(
        _markdown.renderer.render(tokens, _markdown.options, {}),
        tags=set(ALLOWED_TAGS),
        attributes=ALLOWED_ATTRIBUTES,
        url_schemes=set(ALLOWED_SCHEMES),
        link_rel=LINK_REL,
    )


def _lower_headings(tokens: Sequence[Token]) -> None:
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = HEADINGS[token.tag]
