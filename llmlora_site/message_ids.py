"""Which sentences the code and the templates want translated, found without the gettext program."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from django.utils.translation.template import templatize

SOURCE_FOLDERS = (
    *(
        "accounts",
        "chat",
        "common",
        "courses",
        "datasets_app",
        "engine",
        "llmlora_site",
        "modelhub",
    ),
    *("templates", "training"),
)
# Function name to the positions of its (context, singular, plural); None where it has none.
FUNCTIONS: dict[str, tuple[int | None, int, int | None]] = {
    name: positions
    for names, positions in (
        (("_", "gettext", "gettext_lazy", "gettext_noop"), (None, 0, None)),
        (("ngettext", "ngettext_lazy"), (None, 0, 1)),
        (("pgettext", "pgettext_lazy"), (0, 1, None)),
        (("npgettext", "npgettext_lazy"), (0, 1, 2)),
    )
    for name in names
}
# What Django's own template reader leaves behind: calls in the middle of blanked text.
TEMPLATE_CALL = re.compile(r"\b(?:_|gettext|ngettext|pgettext|npgettext)\((?=\s*u?['\"])")


@dataclass(frozen=True, slots=True)
class MessageId:
    """One sentence; places are `path:line`."""

    text: str
    plural: str | None = None
    context: str | None = None
    places: list[str] = field(default_factory=list, compare=False)


def collect(root: Path) -> list[MessageId]:
    """Every message id below the source folders, in the order of the files, each once."""
    found: dict[tuple[str | None, str], MessageId] = {}
    for path in _sources(root):
        name = path.relative_to(root).as_posix()
        for message, line in sorted(_read(path), key=lambda pair: pair[1]):
            known = found.setdefault((message.context, message.text), message)
            if message.plural and not known.plural:
                known = MessageId(known.text, message.plural, known.context, known.places)
                found[message.context, message.text] = known
            known.places.append(f"{name}:{line}")
    return list(found.values())


def _sources(root: Path) -> Iterator[Path]:
    for folder in SOURCE_FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            is_test = "tests" in path.relative_to(root).parts
            if path.suffix in (".py", ".html", ".txt") and path.is_file() and not is_test:
                yield path


def _read(path: Path) -> Iterator[tuple[MessageId, int]]:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield from _python_messages(ast.parse(text, str(path)))
    elif "{" in text:
        yield from _template_messages(text, path)


def _python_messages(tree: ast.AST) -> Iterator[tuple[MessageId, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (message := _message_of(node)):
            yield message, node.lineno


def _message_of(call: ast.Call) -> MessageId | None:
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name not in FUNCTIONS:
        return None
    context_at, text_at, plural_at = FUNCTIONS[name]
    text = _literal(call, text_at)
    if not text:
        return None
    return MessageId(text, plural=_literal(call, plural_at), context=_literal(call, context_at))


def _literal(call: ast.Call, position: int | None) -> str | None:
    if position is None or position >= len(call.args):
        return None
    argument = call.args[position]
    return (
        argument.value
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
        else None
    )


def _template_messages(text: str, path: Path) -> Iterator[tuple[MessageId, int]]:
    code = templatize(text, origin=str(path))
    for match in TEMPLATE_CALL.finditer(code):
        message = _call_at(code, match.start())
        if message:
            yield message, code.count("\n", 0, match.start()) + 1


def _call_at(code: str, start: int) -> MessageId | None:
    """The call that begins at start: it ends at the first parenthesis that makes it whole."""
    end = start
    while (end := code.find(")", end + 1)) >= 0:
        try:
            call = ast.parse(code[start : end + 1], mode="eval").body
        except (SyntaxError, ValueError):
            continue
        return _message_of(call) if isinstance(call, ast.Call) else None
    return None
