"""The rows that differ between two versions as a page shows them: part by part, with the changes marked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from datasets_app.models import DatasetVersion
from datasets_app.preview.examples import ROLE_LABELS
from datasets_app.versions.comparing import Comparison, Difference, DifferenceKind, compare_lines
from datasets_app.versions.marking import Marker, Part, Parts, shortened
from datasets_app.versions.stored_rows import lines_of, records_at

_FIELD_LABELS = {
    "instruction": gettext_lazy("Instruction"),
    "input": gettext_lazy("Input"),
    "output": gettext_lazy("Output"),
    "system": gettext_lazy("System"),
    "prompt": gettext_lazy("Prompt"),
    "completion": gettext_lazy("Completion"),
    "text": gettext_lazy("Text"),
}


@dataclass(frozen=True, slots=True)
class ShownSide:
    """One part of a row, as it is on one side."""

    label: str
    parts: Parts


@dataclass(frozen=True, slots=True)
class ShownPair:
    """One part of a row on both sides, or on the one that has it."""

    old: ShownSide | None
    new: ShownSide | None


@dataclass(frozen=True, slots=True)
class ShownDifference:
    """One row that differs; its numbers are from 1."""

    kind: DifferenceKind
    old_number: int | None
    new_number: int | None
    pairs: list[ShownPair]


def compare_versions(
    old: DatasetVersion, new: DatasetVersion
) -> tuple[Comparison, list[ShownDifference]]:
    """Count the rows that differ and show the first of them.

    Raises:
        UnavailableError: a file is not there.
    """
    if old.digest == new.digest:
        return Comparison(unchanged=new.example_count), []
    comparison = compare_lines(lines_of(old), lines_of(new))
    listed = comparison.differences
    old_records = records_at(old, {item.old for item in listed if item.old is not None})
    new_records = records_at(new, {item.new for item in listed if item.new is not None})
    marker = Marker()
    shown = [
        _shown(
            item,
            None if item.old is None else old_records[item.old],
            None if item.new is None else new_records[item.new],
            marker,
        )
        for item in listed
    ]
    return comparison, shown


def _shown(
    item: Difference, old: dict[str, Any] | None, new: dict[str, Any] | None, marker: Marker
) -> ShownDifference:
    if old is not None and new is not None:
        pairs = _pairs(old, new, marker)
    else:
        pairs = [
            ShownPair(side if new is None else None, side if old is None else None)
            for side in _sides(old or new or {})
        ]
    return ShownDifference(item.kind, _number(item.old), _number(item.new), pairs)


def _pairs(old: dict[str, Any], new: dict[str, Any], marker: Marker) -> list[ShownPair]:
    """The same parts beside each other: fields by their names, turns by their places."""
    old_texts, new_texts = _texts(old), _texts(new)
    names = list(dict.fromkeys([*old_texts, *new_texts]))
    pairs = []
    for name in names:
        before, after = old_texts.get(name), new_texts.get(name)
        if before and after:
            old_parts, new_parts = marker.mark(before[1], after[1])
            pairs.append(ShownPair(ShownSide(before[0], old_parts), ShownSide(after[0], new_parts)))
        elif before:
            pairs.append(ShownPair(ShownSide(before[0], _changed(before[1])), None))
        elif after:
            pairs.append(ShownPair(None, ShownSide(after[0], _changed(after[1]))))
    return pairs


def _sides(record: dict[str, Any]) -> list[ShownSide]:
    return [ShownSide(label, shortened([Part(text)])) for label, text in _texts(record).values()]


def _changed(text: str) -> Parts:
    return shortened([Part(text, "changed")])


def _texts(record: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """By a name that is the same on both sides: the label and the text of each part."""
    texts = {}
    for name, value in record.items():
        if name == "messages" and isinstance(value, list):
            for place, message in enumerate(value):
                texts[f"messages {place}"] = _turn(place, message)
        elif value not in (None, ""):
            texts[name] = (str(_FIELD_LABELS.get(name, name)), _plain(value))
    return texts


def _turn(place: int, message: dict[str, Any]) -> tuple[str, str]:
    role = ROLE_LABELS.get(message["role"], message["role"])
    label = _("Turn %(number)d: %(role)s") % {"number": place + 1, "role": role}
    extra = {name: value for name, value in message.items() if name not in ("role", "content")}
    text = message["content"]
    return label, f"{text}\n{_plain(extra)}" if extra else text


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _number(position: int | None) -> int | None:
    return None if position is None else position + 1
