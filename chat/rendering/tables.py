"""Tables of a size that a page can show; a larger one stays text."""

from __future__ import annotations

import re

from markdown_it.rules_block import table
from markdown_it.rules_block.state_block import StateBlock

MAX_TABLE_CELLS = 1_200
"""A row may leave cells out, so a short text can ask for a table of any size."""
# Also within a quotation.
_EMPTY_LINE = re.compile(r"\n[ \t>]*\n")


def small_table(
    state: StateBlock,
    start_line: int,
    end_line: int,
    silent: bool,  # noqa: FBT001 - the library's signature
) -> bool:
    """The library's rule, tried without writing first."""
    if not table(state, start_line, end_line, True) or _is_large(state, start_line, end_line):
        return False
    return silent or table(state, start_line, end_line, False)


def _is_large(state: StateBlock, start_line: int, end_line: int) -> bool:
    columns = state.src.count("|", state.bMarks[start_line], state.eMarks[start_line]) + 1
    most_rows = MAX_TABLE_CELLS // columns
    if end_line - start_line <= most_rows:
        return False
    last_line = start_line + most_rows
    return not _EMPTY_LINE.search(state.src, state.bMarks[start_line], state.eMarks[last_line])
