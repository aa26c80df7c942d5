"""The allow-list behind the parser: whatever the parser lets through, a page gets nothing else."""

from __future__ import annotations

import nh3

from chat.rendering import mathml

LINK_REL = "noopener noreferrer nofollow"
ALLOWED_SCHEMES = frozenset({"http", "https", "mailto"})
ALLOWED_TAGS = (
    frozenset(
        {"p", "br", "hr", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a"}
        | {"h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "div", "span"}
    )
    | mathml.ELEMENTS
)
ALLOWED_ATTRIBUTES: dict[str, set[str]] = {
    **mathml.ATTRIBUTES,
    "a": {"href", "title"},
    "ol": {"start"},
    # The place of a block of code, which is put in afterwards.
    "pre": {"data-slot"},
    "div": {"aria-label"},
    "span": {"aria-label"},
}
ALLOWED_VALUES: dict[str, dict[str, set[str]]] = {
    **{tag: {"dir": {"auto"}} for tag in ("p", "h4", "h5", "h6", "li", "th", "td")},
    "div": {"role": {"group"}, "tabindex": {"0"}},
    "span": {"role": {"group", "img"}, "tabindex": {"0"}},
}
ALLOWED_CLASSES: dict[str, set[str]] = {
    "div": {"table-scroll", "math-scroll"},
    "span": {"math-scroll", "link-host", "task__box"},
    "li": {"task"},
    "mtd": set(mathml.CELL_CLASSES.values()),
}

_cleaner = nh3.Cleaner(
    tags=set(ALLOWED_TAGS),
    attributes=ALLOWED_ATTRIBUTES,
    tag_attribute_values=ALLOWED_VALUES,
    allowed_classes=ALLOWED_CLASSES,
    url_schemes=set(ALLOWED_SCHEMES),
    url_relative="deny",
    link_rel=LINK_REL,
)


def sanitize(html: str) -> str:
    return _cleaner.clean(html)
