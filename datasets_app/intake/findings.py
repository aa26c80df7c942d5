"""What was found in the records: faults that keep a row out, warnings and notes, each with its first places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn

PLACES_PER_FINDING = 10
EXCERPT_CHARACTERS = 100
Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True, slots=True)
class Place:
    """One place where something was found.

    Attributes:
        line: physical line of the file, or number of the record where there are no lines; None for the whole file.
        params: values of its sentence.
        excerpt: a piece of the text.
    """

    line: int | None
    params: dict[str, Any] = field(default_factory=dict)
    excerpt: str = ""


@dataclass(slots=True)
class Finding:
    """One kind of thing that was found.

    Attributes:
        code: stable name; `datasets_app.wording.sentences` words it.
        count: how often; places are the first of them.
        is_fatal: nothing can be used of the file as it is, not even its other rows.
    """

    severity: Severity
    code: str
    count: int = 0
    places: list[Place] = field(default_factory=list)
    is_fatal: bool = False

    @property
    def lines(self) -> list[int]:
        return [place.line for place in self.places if place.line is not None]

    @property
    def params(self) -> dict[str, Any]:
        """Values of the first place."""
        return self.places[0].params if self.places else {}

    def as_dict(self) -> dict[str, Any]:
        return {
            "severity": self.severity,
            "code": self.code,
            "count": self.count,
            "lines": self.lines,
            "params": self.params,
            "excerpt": self.places[0].excerpt if self.places else "",
            "places": [
                {"line": place.line, "params": place.params, "excerpt": place.excerpt}
                for place in self.places
            ],
            "is_fatal": self.is_fatal,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Finding:
        places = [
            Place(place["line"], place["params"], place["excerpt"])
            for place in stored.get("places", ())
        ]
        # The first versions of this system stored lines and values without their places.
        places = places or [Place(line, stored["params"]) for line in stored["lines"] or [None]]
        is_fatal = stored.get("is_fatal", False)
        return cls(stored["severity"], stored["code"], stored["count"], places, is_fatal)


class RefusalError(Exception):
    """The file can not be used at all, for one reason."""

    def __init__(self, code: str, *, line: int | None = None, **params: Any) -> None:
        super().__init__(f"{code} {params}")
        self.code = code
        self.line = line
        self.params = params


def refuse(code: str, *, line: int | None = None, **params: Any) -> NoReturn:
    """Refuse the whole file for one reason."""
    raise RefusalError(code, line=line, **params)


class Findings:
    """Everything found so far, by code; a code with a field is kept apart for each field."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[str, str], Finding] = {}

    def __iter__(self) -> Any:
        return iter(self._by_key.values())

    @property
    def has_errors(self) -> bool:
        return any(finding.severity == "error" for finding in self._by_key.values())

    def error(
        self,
        code: str,
        line: int | None,
        *,
        excerpt: str = "",
        is_fatal: bool = False,
        **params: Any,
    ) -> None:
        """Something that keeps a row out, or with is_fatal the whole file."""
        self._add("error", code, Place(line, params, _short(excerpt)), is_fatal=is_fatal)

    def warn(self, code: str, line: int | None, *, excerpt: str = "", **params: Any) -> None:
        """Something that makes the result worse than it could be."""
        self._add("warning", code, Place(line, params, _short(excerpt)))

    def note(self, code: str, line: int | None, *, excerpt: str = "", **params: Any) -> None:
        """Something to know."""
        self._add("info", code, Place(line, params, _short(excerpt)))

    def forget_errors(self) -> None:
        """Faults of rows mean nothing while it is not known what the columns are."""
        self._by_key = {
            key: finding for key, finding in self._by_key.items() if finding.severity != "error"
        }

    def refusal(self, error: RefusalError) -> None:
        """The reason for which the whole file is refused."""
        self.error(error.code, error.line, is_fatal=True, **error.params)

    def sorted(self) -> list[Finding]:
        """Errors first, then warnings, then notes; each in the order in which they were found."""
        return sorted(self, key=lambda finding: SEVERITIES.index(finding.severity))

    def _add(self, severity: Severity, code: str, place: Place, *, is_fatal: bool = False) -> None:
        key = (code, str(place.params.get("field", "")))
        finding = self._by_key.get(key)
        if finding is None:
            finding = self._by_key[key] = Finding(severity, code, is_fatal=is_fatal)
        finding.count += 1
        if len(finding.places) < PLACES_PER_FINDING:
            finding.places.append(place)


def printable(text: str, length: int = 40) -> str:
    """Text of a file as it may stand in a sentence: short, and without what can not be printed."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text[:length])


def _short(text: str) -> str:
    return printable(text.replace("\n", " "), EXCERPT_CHARACTERS) if text else ""
