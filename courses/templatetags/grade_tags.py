"""What the pages of the gradebook ask for."""

from __future__ import annotations

from collections.abc import Iterable

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from courses.wording.evidence import short_digest

register = template.Library()
register.filter("short_digest", short_digest)

BARE_CELL = '<td class="grade">{}</td>'
CELL = '<td class="grade"><a class="grade__link" href="{}">{}</a></td>'


@register.simple_tag
def grade_cells(cells: Iterable[tuple[str, str]]) -> SafeString:
    """The cells of a row, from the address and the look of each: thousands of them are too slow as template nodes."""
    shown = [
        format_html(CELL, address, look) if address else format_html(BARE_CELL, look)
        for address, look in cells
    ]
    return mark_safe("".join(shown))  # noqa: S308 - every one of them is escaped
