"""Which columns of the data are what: found by their names, or chosen by a person."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from engine.data.records import DatasetType

Shape = Literal["instruction", "chat", "completion", "text"]
SHAPES: tuple[Shape, ...] = ("instruction", "chat", "completion", "text")
TYPE_OF_SHAPE: dict[Shape, DatasetType] = {
    "instruction": "instruction",
    "chat": "chat",
    "completion": "completion",
    "text": "completion",
}
REQUIRED_PARTS: dict[Shape, tuple[str, ...]] = {
    "instruction": ("instruction", "output"),
    "chat": ("messages",),
    "completion": ("prompt", "completion"),
    "text": ("text",),
}
OPTIONAL_PARTS: dict[Shape, tuple[str, ...]] = {
    "instruction": ("input", "system", "history"),
    "chat": ("system",),
    "completion": (),
    "text": (),
}

# The first name of a part is our own. Other names are those of published datasets and of Japanese spreadsheets.
_NAMES: dict[str, tuple[str, ...]] = {
    "instruction": ("instruction", "question", "query", "problem", "質問", "問題", "指示", "問い"),
    "input": ("input", "context", "入力", "文脈"),
    "output": (
        "output",
        "response",
        "answer",
        "reply",
        "solution",
        "回答",
        "答え",
        "応答",
        "返答",
        "解答",
        "出力",
    ),
    "system": ("system", "system_prompt", "システム"),
    "history": ("history",),
    "messages": ("messages", "conversations", "conversation", "会話"),
    "prompt": ("prompt",),
    "completion": ("completion",),
    "text": ("text", "本文", "テキスト", "文章"),
}
# A pair of columns that is a question and its answer although each name alone means something else.
_PAIRS = (("prompt", "response"), ("input", "output"), ("user", "assistant"))
KNOWN_COLUMNS = frozenset(name for names in _NAMES.values() for name in names) | {
    name for pair in _PAIRS for name in pair
}
_ORDER: tuple[Shape, ...] = ("chat", "instruction", "completion", "text")


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """Which column is which part of an example.

    Attributes:
        columns: part to the column's name as it is written in the data.
    """

    shape: Shape
    columns: dict[str, str] = field(default_factory=dict)

    @property
    def dataset_type(self) -> DatasetType:
        return TYPE_OF_SHAPE[self.shape]

    @property
    def is_native(self) -> bool:
        """Whether the records are in our own shape already."""
        return all(part == column for part, column in self.columns.items())

    def as_dict(self) -> dict[str, Any]:
        return {"shape": self.shape, "columns": self.columns}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> ColumnMapping | None:
        """A stored mapping; None for an empty or foreign one."""
        shape, columns = stored.get("shape"), stored.get("columns")
        if shape not in SHAPES or not isinstance(columns, dict):
            return None
        known = (*REQUIRED_PARTS[cast(Shape, shape)], *OPTIONAL_PARTS[cast(Shape, shape)])
        chosen = {
            part: str(columns[part])
            for part in known
            if isinstance(columns.get(part), str) and columns[part]
        }
        if not all(part in chosen for part in REQUIRED_PARTS[cast(Shape, shape)]):
            return None
        return cls(cast(Shape, shape), chosen)


_NATIVE_SHAPES: dict[DatasetType, Shape] = {
    "instruction": "instruction",
    "chat": "chat",
    "completion": "text",
}


def native_mapping(dataset_type: DatasetType) -> ColumnMapping:
    """The mapping of records that are in our own shape already."""
    shape = _NATIVE_SHAPES[dataset_type]
    return ColumnMapping(shape, {part: part for part in REQUIRED_PARTS[shape]})


def column_key(name: str) -> str:
    """A column's name as it is compared."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


def signature(columns: Iterable[str]) -> str:
    """A fingerprint of the columns, whatever their order."""
    names = "\n".join(sorted(column_key(name) for name in columns))
    return hashlib.sha256(names.encode()).hexdigest()


def find_mapping(
    columns: Iterable[str], dataset_type: DatasetType | None = None
) -> ColumnMapping | None:
    """The mapping that the names suggest; None when they say nothing.

    Args:
        dataset_type: only mappings of this type.
    """
    by_key: dict[str, str] = {}
    for column in columns:
        by_key.setdefault(column_key(column), column)
    for shape in _ORDER:
        if dataset_type not in (None, TYPE_OF_SHAPE[shape]):
            continue
        chosen = _parts(shape, by_key)
        if chosen:
            return ColumnMapping(shape, chosen)
    return None


def _parts(shape: Shape, by_key: dict[str, str]) -> dict[str, str]:
    chosen = {part: _column(part, by_key) for part in REQUIRED_PARTS[shape]}
    if shape == "instruction" and not all(chosen.values()):
        pair = next((pair for pair in _PAIRS if set(pair) <= by_key.keys()), None)
        if pair is None:
            return {}
        chosen = {"instruction": by_key[pair[0]], "output": by_key[pair[1]]}
    if not all(chosen.values()):
        return {}
    # Records in our own shape are left as they are: a column named context beside them is no input.
    is_native = all(part == column for part, column in chosen.items())
    optional = {
        part: by_key.get(part, "") if is_native else _column(part, by_key)
        for part in OPTIONAL_PARTS[shape]
    }
    taken = set(chosen.values())
    return chosen | {part: name for part, name in optional.items() if name and name not in taken}


def _column(part: str, by_key: dict[str, str]) -> str:
    return next((by_key[name] for name in _NAMES[part] if name in by_key), "")
