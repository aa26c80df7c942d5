"""A finished reply as HTML: made harmless, parsed, cleaned, and only then given its blocks of code."""

from __future__ import annotations

import logging
import re
from functools import lru_cache
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from markdown_it.token import Token

from chat.rendering.characters import harmless_text
from chat.rendering.code_blocks import Highlighter
from chat.rendering.parser import ReplyMarkdown
from chat.rendering.sanitizer import sanitize

MAX_MARKDOWN_CHARACTERS = 20_000
"""Longer than any answer here; a longer text is shown as it is."""
MAX_TOKENS = 6_000
"""A reply of more pieces, such as a table of thousands of cells, is shown as it is: a phone could not lay it out."""
CACHED_REPLIES = 256

logger = logging.getLogger(__name__)

_markdown = ReplyMarkdown()
# What a model writes is escaped, so no text of its own looks like this.
_CODE_SLOT = re.compile(r'<pre data-slot="(\d+)"></pre>')
_KANA = re.compile(r"[\u3041-\u30ff]")


def render_markdown(text: str) -> SafeString:
    """The text as sanitised HTML in an element whose htmx attributes, if one came through, would do nothing."""
    return _render(text, get_language())


@lru_cache(maxsize=CACHED_REPLIES)
def _render(text: str, _language: str | None) -> SafeString:
    text = harmless_text(text)
    try:
        html = _structured(text)
    except Exception:
        # A fault here must not close the whole conversation.
        logger.exception("a reply of %d characters is shown as it is", len(text))
        html = None
    if html is None:
        return format_html(
            '<div class="markdown markdown--plain" hx-disable dir="auto"{}>{}</div>',
            _lang(text),
            text,
        )
    return mark_safe(f'<div class="markdown" hx-disable{_lang(text)}>{html}</div>')  # noqa: S308 - the allow-list


def _structured(text: str) -> str | None:
    """The HTML inside, or None for a text that is shown as it is."""
    if len(text) > MAX_MARKDOWN_CHARACTERS:
        return None
    environment: dict[str, Any] = {}
    tokens = _markdown.parse(text, environment)
    if _count(tokens) > MAX_TOKENS:
        return None
    html = sanitize(_markdown.renderer.render(tokens, _markdown.options, environment))
    blocks = environment.get("code", [])
    highlighter = Highlighter(text)
    # Character references have become characters by now.
    return _CODE_SLOT.sub(
        lambda slot: highlighter.block(int(slot[1]), *blocks[int(slot[1])]), harmless_text(html)
    )


def _count(tokens: list[Token]) -> int:
    return sum(1 + len(token.children or ()) for token in tokens)


def _lang(text: str) -> SafeString:
    """Japanese is told by its kana, for the voice of a screen reader and for where a line may break."""
    is_japanese = len(_KANA.findall(text)) * 8 > len(text)
    return format_html(' lang="{}"', "ja") if is_japanese else SafeString()
