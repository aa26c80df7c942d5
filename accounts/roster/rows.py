"""One line of a roster file: whom it names, or what is wrong with it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

from accounts.models import RosterEntry
from accounts.roster.columns import plain, role_of
from common.errors import Fault
from common.sentences import joined

SHOWN_CHARACTERS = 40
_LONGEST = {
    "email": RosterEntry._meta.get_field("email").max_length or 0,
    "username": RosterEntry._meta.get_field("username").max_length or 0,
    "name": RosterEntry._meta.get_field("name").max_length or 0,
}
_validate_username = UnicodeUsernameValidator()


@dataclass(frozen=True, slots=True)
class Row:
    """Somebody whom a line names.

    Attributes:
        email: lower case.
        role: empty where the line says nothing of it.
    """

    line: int
    email: str
    username: str
    name: str
    role: str


class RowReader:
    """Reads one line after another, and remembers who was named before."""

    def __init__(self, columns: list[str | None]) -> None:
        self._columns = columns
        self._seen: dict[tuple[str, str], int] = {}

    def read(self, line: int, cells: list[str]) -> Row | Fault:
        if any(cell.strip() for cell in cells[len(self._columns) :]):
            sentence = _(
                "The line has more cells than there are columns. Put text with a separator in it in quotes."
            )
            return Fault(sentence, line=line)
        values = dict.fromkeys(("email", "username", "name", "role"), "")
        for column, cell in zip(self._columns, cells, strict=False):
            if column:
                values[column] = cell.strip() if column == "name" else plain(cell)
        role = role_of(values["role"])
        row = Row(line, values["email"].lower(), values["username"], values["name"], role or "")
        sentences = _sentences(row, values["role"]) or self._repeated(row)
        return Fault(joined(sentences), line=line) if sentences else row

    def _repeated(self, row: Row) -> list[str]:
        keys = [(name, value) for name in ("email", "username") if (value := getattr(row, name))]
        earlier = next((self._seen[key] for key in keys if key in self._seen), None)
        if earlier is not None:
            return [_("This is the same person as on line %(line)d.") % {"line": earlier}]
        self._seen.update(dict.fromkeys(keys, row.line))
        return []


def _sentences(row: Row, role_word: str) -> list[str]:
    faults = []
    if not row.email and not row.username:
        faults.append(_("Neither an address nor a user name stands here. Write one of them."))
    if row.email and not _is_valid(validate_email, row.email, "email"):
        faults.append(_("“%(text)s” is no email address.") % {"text": _short(row.email)})
    if row.username and not _is_valid(_validate_username, row.username, "username"):
        sentence = _(
            "“%(text)s” is no user name: those are at most 150 letters, digits and @ . + - _ long."
        )
        faults.append(sentence % {"text": _short(row.username)})
    if len(row.name) > _LONGEST["name"] or _has_controls(row.name):
        faults.append(
            _("The name is longer than 80 characters, or holds something that is no text.")
        )
    if role_word and not row.role:
        sentence = _("“%(text)s” is no role. Write student, assistant, instructor or observer.")
        faults.append(sentence % {"text": _short(role_word)})
    return faults


def _is_valid(validate: Callable[[str], None], text: str, name: str) -> bool:
    if len(text) > _LONGEST[name]:
        return False
    try:
        validate(text)
    except ValidationError:
        return False
    return True


def _has_controls(text: str) -> bool:
    return any(unicodedata.category(character) in ("Cc", "Cs") for character in text)


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
