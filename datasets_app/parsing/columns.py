"""Which columns a CSV header names, and which of them a shape of records has."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import gettext as _

from datasets_app.parsing.strict_json import shown
from engine.data.records import DatasetType, detect_type

OPTIONAL_COLUMNS = frozenset({"input", "system"})
MAX_SHOWN_COLUMNS = 12
_COLUMNS: dict[DatasetType, tuple[frozenset[str], ...]] = {
    "instruction": (frozenset({"instruction", "output", "input", "system"}),),
    "completion": (frozenset({"text"}), frozenset({"prompt", "completion"})),
    "chat": (),
}
_KNOWN = frozenset[str]().union(*(names for groups in _COLUMNS.values() for names in groups))
_DELIMITERS = (",", ";", "\t")


def column_name(cell: str) -> str:
    return cell.strip().lower()


def find_delimiter(header_line: str) -> str:
    """The character that parts the header into the most known names."""
    return max(_DELIMITERS, key=lambda delimiter: len(_known_columns(header_line, delimiter)))


def has_known_columns(header_line: str) -> bool:
    """Whether the line names every column of some shape."""
    return bool(used_columns(_known_columns(header_line, find_delimiter(header_line)), None))


def used_columns(names: Iterable[str], dataset_type: DatasetType | None) -> frozenset[str]:
    """Those of the named columns that make a record; none when one that is needed is missing."""
    named = frozenset(names)
    wanted = dataset_type or detect_type(dict.fromkeys(named, ""))
    for group in _COLUMNS[wanted] if wanted else ():
        if group - OPTIONAL_COLUMNS <= named:
            return group & named
    return frozenset()


def columns_sentence(found: list[str], dataset_type: DatasetType | None) -> str:
    """Which columns were found, and which there should be."""
    if dataset_type == "chat" or "messages" in map(column_name, found):
        return _(
            "A chat dataset can not be CSV, because a cell holds no list of messages. Send it as JSON or JSONL."
        )
    if dataset_type == "instruction":
        expected = _("instruction and output (input and system are optional)")
    elif dataset_type == "completion":
        expected = _("prompt and completion, or text")
    else:
        expected = _("instruction and output, or prompt and completion, or text")
    names = ", ".join(shown(cell) for cell in found[:MAX_SHOWN_COLUMNS])
    sentence = _("The first line names the columns “%(found)s”. It must name %(expected)s.")
    return sentence % {"found": names, "expected": expected}


def _known_columns(header_line: str, delimiter: str) -> frozenset[str]:
    cells = (column_name(cell.strip('\ufeff" \t\n')) for cell in header_line.split(delimiter))
    return _KNOWN.intersection(cells)
