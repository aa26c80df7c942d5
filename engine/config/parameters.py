"""What one hyperparameter may be, and what it does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["integer", "number", "choice", "modules", "pattern", "strings"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """What one hyperparameter may be, and what it does.

    Attributes:
        kind: how the value is read.
        minimum: smallest legal value, inclusive; of a pattern, of each of its values.
        maximum: largest legal value, inclusive.
        is_integer: whether the values of a pattern are whole numbers.
        most_items, most_characters: of a tuple of strings.
        choices: legal values of a choice.
        label: its name, an English message id.
        help: one sentence on its consequence, an English message id.
        advanced: shown only in the advanced form.
    """

    kind: Kind
    label: str
    help: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    advanced: bool = False
    is_integer: bool = False
    most_items: int = 0
    most_characters: int = 0


def parameter(default: Any, **spec: Any) -> Any:
    """A field of Settings: its default, and the rest of its Parameter."""
    metadata = {"parameter": Parameter(**spec)}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)
