"""What the groups of hyperparameters have in common: reading them from plain values, and writing them out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Self

from engine.config.parameters import Parameter
from engine.config.reading import InvalidConfigError, InvalidValueError, read_value


class Settings:
    """A frozen dataclass whose every field is a parameter()."""

    @classmethod
    def parameters(cls) -> dict[str, Parameter]:
        return {item.name: item.metadata["parameter"] for item in fields(cls)}  # type: ignore[arg-type]

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Build from plain values; missing ones take the default.

        Raises:
            InvalidConfigError: with every unknown name and every value out of range.
        """
        known = cls.parameters()
        faults = [InvalidValueError(name, "unknown") for name in values if name not in known]
        clean: dict[str, Any] = {}
        for name, parameter in known.items():
            if name not in values:
                continue
            try:
                clean[name] = read_value(name, parameter, values[name])
            except InvalidValueError as fault:
                faults.append(fault)
        if faults:
            raise InvalidConfigError(faults)
        return cls(**clean)

    def to_dict(self) -> dict[str, Any]:
        """JSON values, the inverse of from_mapping."""
        plain = asdict(self)  # type: ignore[call-overload]
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in plain.items()
        }
