r"""Where a formula begins and ends in Markdown: $…$, $$…$$, \(…\), \[…\].

Every pattern stops at the next mark of its own kind, so a text of nothing but openings is still read once.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block.state_block import StateBlock
from markdown_it.rules_inline.state_inline import StateInline

MAX_DISPLAY_LINES = 40
"""A longer one is text; without a limit, many openings in a row would each read to the end."""

# As in Pandoc: no space inside the marks. A letter or digit behind the closing one means a second price or a variable
# of a shell.
_DOLLAR = re.compile(
    r"\$\$(?P<display>(?:[^$\\]|\\.)++)\$\$"
    r"|\$(?!\s)(?P<inline>(?:[^$\\\n]|\\.)++)(?<!\s)\$(?![0-9A-Za-z])",
    re.DOTALL,
)
_BACKSLASH = re.compile(
    r"\\\[(?P<display>(?:[^\\]|\\[^\[\]])++)\\\]|\\\((?P<inline>(?:[^\\]|\\[^()])++)\\\)"
)
_PATTERNS = {"$": _DOLLAR, "\\": _BACKSLASH}
# "$5, or 10$" is a price: it begins with a number, goes on in words and calculates nothing.
_PRICE = re.compile(r"\d[^\\^_=+*<>]*\s[^\\^_=+*<>]*")


def read_formulas(markdown: MarkdownIt) -> None:
    markdown.inline.ruler.before("escape", "math_inline", _inline_rule)
    markdown.block.ruler.before(
        "fence",
        "math_block",
        _block_rule,
        {"alt": ["paragraph", "reference", "blockquote", "list"]},
    )


def _inline_rule(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 - the library's signature
    pattern = _PATTERNS.get(state.src[state.pos])
    match = pattern.match(state.src, state.pos, state.posMax) if pattern else None
    if not match or _is_price(state, match):
        return False
    if not silent:
        token = state.push("math_inline", "", 0)
        _keep(token.meta, match)
    state.pos = match.end()
    return True


def _is_price(state: StateInline, match: re.Match[str]) -> bool:
    if match["display"] is not None or match[0][0] != "$":
        return False
    before = state.src[state.pos - 1] if state.pos else ""
    return (before.isascii() and before.isalnum()) or bool(_PRICE.fullmatch(match["inline"]))


def _block_rule(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:  # noqa: FBT001 - as above
    start = state.bMarks[start_line] + state.tShift[start_line]
    if state.is_code_block(start_line) or state.src[start : start + 2] not in ("$$", r"\["):
        return False
    lines = _paragraph(state, start_line, end_line)
    match = _PATTERNS[lines[0][0]].match(lines)
    # With words behind it, it is part of a sentence.
    if not match or lines[match.end() :].partition("\n")[0].strip():
        return False
    if silent:
        return True
    token = state.push("math_block", "", 0)
    _keep(token.meta, match)
    state.line = start_line + lines.count("\n", 0, match.end()) + 1
    token.map = [start_line, state.line]
    return True


def _paragraph(state: StateBlock, start_line: int, end_line: int) -> str:
    """The lines up to the next empty one, without the marks of the quotation or list around them."""
    lines = []
    for line in range(start_line, min(end_line, start_line + MAX_DISPLAY_LINES)):
        if state.isEmpty(line) or state.sCount[line] < state.blkIndent:
            break
        lines.append(state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]])
    return "\n".join(lines)


def _keep(meta: dict[str, object], match: re.Match[str]) -> None:
    meta["is_display"] = match["display"] is not None
    meta["tex"] = (match["display"] or match["inline"]).strip()
    meta["source"] = match[0]
