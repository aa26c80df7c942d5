"""Emphasis beside Japanese, Chinese and Korean, which put no spaces between words.

CommonMark asks what stands on the two sides of `**`. A full stop or bracket inside and a letter outside means "this
cannot close", which is right for English and leaves the asterisks of `**「強調」**です` on the page. Here a wide
character on either side counts like a space: it never stops a mark from opening or closing.
"""

from __future__ import annotations

import unicodedata

from markdown_it import MarkdownIt
from markdown_it.common.utils import isMdAsciiPunct, isPunctChar, isWhiteSpace
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_inline.state_inline import Scanned, StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType

_WIDE = ("W", "F", "H")


class _WideState(StateInline):
    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:  # noqa: FBT001, N802, N803 - the library's names
        scanned = super().scanDelims(start, canSplitWord)
        before = self.src[start - 1] if start else " "
        end = start + scanned.length
        after = self.src[end] if end < self.posMax else " "
        if not (_is_wide(before) or _is_wide(after)):
            return scanned
        opens = not isWhiteSpace(ord(after))
        closes = not isWhiteSpace(ord(before))
        if canSplitWord:
            return Scanned(opens, closes, scanned.length)
        return Scanned(
            opens and (not closes or _is_punctuation(before)),
            closes and (not opens or _is_punctuation(after)),
            scanned.length,
        )


class WideInline(ParserInline):
    """The library's parser of a paragraph, with the rule above."""

    def parse(self, src: str, md: MarkdownIt, env: EnvType, tokens: list[Token]) -> list[Token]:
        state = _WideState(src, md, env, tokens)
        self.tokenize(state)
        for rule in self.ruler2.getRules(""):
            rule(state)
        return state.tokens


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in _WIDE


def _is_punctuation(character: str) -> bool:
    return isMdAsciiPunct(ord(character)) or isPunctChar(character)
