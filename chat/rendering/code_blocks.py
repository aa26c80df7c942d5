"""A block of code: its language, a button that copies it, and its words in colours by class."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from itertools import groupby
from time import thread_time

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, Generic, Keyword, Name, Number, Operator, String, _TokenType

MAX_HIGHLIGHTED_CHARACTERS = 6_000
MAX_HIGHLIGHTED_LINE_CHARACTERS = 500
"""A longer line is data."""
HIGHLIGHTING_SECONDS = 0.2
"""Of the processor, for all blocks of a reply: a lexer may take time that grows with the square of its text."""

# What a class of beginners meets, from lexers that give back every character.
LANGUAGES = {
    **dict.fromkeys(("python", "py", "python3"), "python"),
    **dict.fromkeys(("javascript", "js"), "javascript"),
    **dict.fromkeys(("typescript", "ts"), "typescript"),
    **dict.fromkeys(("bash", "sh", "shell", "zsh"), "bash"),
    **dict.fromkeys(("c++", "cpp"), "cpp"),
    **dict.fromkeys(("c#", "csharp", "cs"), "csharp"),
    **dict.fromkeys(("yaml", "yml"), "yaml"),
    **dict.fromkeys(("rust", "rs"), "rust"),
    **dict.fromkeys(("ruby", "rb"), "ruby"),
    **dict.fromkeys(("latex", "tex"), "latex"),
    **dict.fromkeys(("kotlin", "kt"), "kotlin"),
    **{
        name: name
        for name in ("c", "css", "diff", "go", "html", "ini", "java", "json", "php", "r", "sql")
    },
    **{name: name for name in ("swift", "toml", "xml")},
}
# The first that fits; a kind of token holds the kinds below it.
_CLASSES: tuple[tuple[_TokenType, str], ...] = (
    (Comment, "code__comment"),
    (Keyword, "code__keyword"),
    (Operator.Word, "code__keyword"),
    (String, "code__string"),
    (Number, "code__number"),
    (Name.Function, "code__name"),
    (Name.Class, "code__name"),
    (Name.Tag, "code__name"),
    (Name.Attribute, "code__name"),
    (Name.Decorator, "code__name"),
    (Name.Builtin, "code__builtin"),
    (Generic.Inserted, "code__inserted"),
    (Generic.Deleted, "code__deleted"),
)
# A language we have no lexer for is named as the model named it, if that is a name.
_LANGUAGE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9+#.-]{0,19}")


class Highlighter:
    """Writes the blocks of one reply, which share one limit of time; what comes after it has no colours."""

    def __init__(self, reply: str) -> None:
        self._reply = reply
        self._until_seconds = thread_time() + HIGHLIGHTING_SECONDS

    def block(self, number: int, code: str, info: str) -> SafeString:
        language = (info.split() or [""])[0]
        lexer = _lexer(LANGUAGES.get(language.lower(), ""))
        identifier = self._identifier(number)
        return format_html(
            '<div class="snippet"><div class="snippet__bar">'
            '<span class="snippet__language">{}</span>{}</div>'
            '<pre><code id="{}">{}</code></pre></div>',
            lexer.name if lexer else (_LANGUAGE_NAME.fullmatch(language) or [""])[0],
            _copy_button(identifier),
            identifier,
            self._highlighted(code, lexer),
        )

    def _identifier(self, number: int) -> str:
        """Equal replies beside each other hold equal code, so it does not matter which of the two is copied."""
        return f"code-{sha256(f'{number} {self._reply}'.encode()).hexdigest()[:12]}"

    def _highlighted(self, code: str, lexer: Lexer | None) -> str:
        if lexer is None or not _is_quick(code):
            return code
        pieces = list(self._pieces(code, lexer))
        done = "".join(text for _name, text in pieces)
        if not code.startswith(done):
            return code
        pieces.append(("", code[len(done) :]))
        groups = groupby(pieces, key=lambda piece: piece[0])
        return format_html_join(
            "",
            "{}",
            ((_colored(name, "".join(text for _name, text in group)),) for name, group in groups),
        )

    def _pieces(self, code: str, lexer: Lexer) -> Iterator[tuple[str, str]]:
        for kind, text in lexer.get_tokens(code):
            if thread_time() > self._until_seconds:
                return
            yield _class(kind), text


def _copy_button(identifier: str) -> SafeString:
    return format_html(
        '<button class="snippet__copy" type="button" data-copy="{}" data-copied="{}">'
        "<span data-copy-label>{}</span></button>",
        identifier,
        _("Copied"),
        _("Copy the code"),
    )


@cache
def _lexer(name: str) -> Lexer | None:
    """It must give back every character: no line is stripped, none added."""
    return get_lexer_by_name(name, stripnl=False, ensurenl=False) if name else None


def _is_quick(code: str) -> bool:
    return len(code) <= MAX_HIGHLIGHTED_CHARACTERS and all(
        len(line) <= MAX_HIGHLIGHTED_LINE_CHARACTERS for line in code.split("\n")
    )


def _class(kind: _TokenType) -> str:
    return next((name for parent, name in _CLASSES if kind in parent), "")


def _colored(name: str, text: str) -> str:
    return format_html('<span class="{}">{}</span>', name, text) if name else text
