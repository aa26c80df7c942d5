"""What is changed in the tokens of a reply before they become HTML."""

from __future__ import annotations

from itertools import pairwise

from markdown_it.rules_core.state_core import StateCore
from markdown_it.token import Token

from chat.rendering.links import show_hosts

# A reply stands under a heading of level 3, so its own headings begin below that.
HEADINGS = ("h4", "h5", "h6")
_TASK_BOXES = {"[ ] ": False, "[x] ": True, "[X] ": True}
_DIRECTED = frozenset({"paragraph_open", "heading_open", "list_item_open", "th_open", "td_open"})


def keep_indent(state: StateCore) -> None:
    """A Japanese paragraph may begin with a full-width space, which the library strips like any other."""
    lines = state.src.split("\n")
    for opening, token in pairwise(state.tokens):
        if opening.type == "paragraph_open" and token.map:
            first = token.content.partition("\n")[0]
            before = lines[token.map[0]].partition(first)[0] if first else ""
            token.content = before[len(before.rstrip("\u3000")) :] + token.content


def arrange(state: StateCore) -> None:
    _order_headings(state.tokens)
    for place, token in enumerate(state.tokens):
        if token.type in _DIRECTED:
            # Arabic or Hebrew beside Japanese: each block runs as its own first letter says.
            token.attrSet("dir", "auto")
            # The alignment of a column would be an inline style.
            token.attrs.pop("style", None)
        elif token.type == "inline" and token.children:
            _mark_task(state.tokens[place - 2], token.children)
            token.children = show_hosts(token.children)


def _order_headings(tokens: list[Token]) -> None:
    """Levels without gaps, whichever one the reply begins with: a model often begins with the third."""
    above: list[str] = []
    for token in tokens:
        if token.type == "heading_open":
            while above and above[-1] >= token.tag:
                above.pop()
            above.append(token.tag)
        if token.type in ("heading_open", "heading_close"):
            token.tag = HEADINGS[min(len(above), len(HEADINGS)) - 1]


def _mark_task(item: Token, children: list[Token]) -> None:
    if item.type != "list_item_open" or children[0].type != "text":
        return
    box = children[0].content[:4]
    if box not in _TASK_BOXES:
        return
    item.attrJoin("class", "task")
    children[0].content = children[0].content[4:]
    children.insert(0, Token("task_box", "", 0, meta={"is_done": _TASK_BOXES[box]}))
