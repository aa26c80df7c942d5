"""Collects what is wrong with a dataset, so that everything is told at once and no list is endless."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from common.errors import Fault, InvalidInputError

LINES_PER_KIND = 10
MAX_FAULTS = 50


@dataclass(slots=True)
class _Kind:
    first: list[Fault] = field(default_factory=list)
    count: int = 0


class FaultLog:
    """Faults by kind: the first lines of each in full, the rest as a count."""

    def __init__(self) -> None:
        self._kinds: dict[str, _Kind] = {}

    def __bool__(self) -> bool:
        return bool(self._kinds)

    def add(
        self, kind: str, message: str, *, line: int | None = None, field: str | None = None
    ) -> None:
        entry = self._kinds.setdefault(kind, _Kind())
        entry.count += 1
        if len(entry.first) < LINES_PER_KIND:
            entry.first.append(Fault(message, field=field, line=line))

    @property
    def count(self) -> int:
        return sum(kind.count for kind in self._kinds.values())

    def faults(self) -> list[Fault]:
        """At most MAX_FAULTS faults by line, then what was left out."""
        listed: list[Fault] = []
        for kind in self._kinds.values():
            listed += kind.first
        listed.sort(key=lambda fault: fault.line or 0)
        shown = listed[:MAX_FAULTS]
        shown += (
            self._rests() if len(listed) <= MAX_FAULTS else [self._hidden(self.count - len(shown))]
        )
        return shown

    def _rests(self) -> list[Fault]:
        rests = []
        for kind in self._kinds.values():
            rest = kind.count - len(kind.first)
            if rest:
                rests.append(
                    Fault(_same_fault_sentence(rest, kind.first[0]), field=kind.first[0].field)
                )
        return rests

    @staticmethod
    def _hidden(count: int) -> Fault:
        return Fault(
            ngettext("And %(count)d more fault.", "And %(count)d more faults.", count)
            % {"count": count}
        )

    def raise_if_any(self) -> None:
        """Raise InvalidInputError when something was added."""
        if self:
            self._refuse()

    def _refuse(self) -> NoReturn:
        faults = self.faults()
        if len(faults) == 1 and faults[0].line is None:
            raise InvalidInputError(faults[0].message, faults=faults)
        sentence = ngettext(
            "Nothing was saved, because %(count)d fault was found. Mend it and send the data again.",
            "Nothing was saved, because %(count)d faults were found. Mend them and send the data again.",
            self.count,
        )
        raise InvalidInputError(sentence % {"count": self.count}, faults=faults)


def _same_fault_sentence(rest: int, first: Fault) -> str:
    if first.line is None:
        return ngettext(
            "The same fault once more.", "The same fault %(count)d more times.", rest
        ) % {"count": rest}
    return ngettext(
        "%(count)d more record has the same fault as line %(line)d.",
        "%(count)d more records have the same fault as line %(line)d.",
        rest,
    ) % {"count": rest, "line": first.line}


def refuse(message: str, *, line: int | None = None) -> NoReturn:
    """Refuse the whole input for one reason."""
    raise InvalidInputError(message, faults=[Fault(message, line=line)])


def refuse_field(field_name: str, message: str) -> NoReturn:
    """Refuse the input because of one of its fields."""
    raise InvalidInputError(message, faults=[Fault(message, field=field_name)])


def refuse_empty() -> NoReturn:
    """Refuse an input that holds nothing at all."""
    refuse(
        _("There is nothing in it: the file or text is empty. Choose a file that holds examples.")
    )
