"""A course's folder as its content, or all that is wrong with it, each with file and line."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from courses.catalogue.directives import unknown_directives
from courses.catalogue.lines import LinedYaml
from courses.catalogue.schema import (
    LANGUAGES,
    SOURCE_LANGUAGE,
    CourseContent,
    CourseFile,
    Step,
    StepFile,
    StepText,
)
from courses.checks.params import HIDDEN_GAIN
from courses.starter import hidden_records

SOURCE_MARK = re.compile(r"\A<!-- source: ([0-9a-f]{8}) -->\n")
_TITLE = re.compile(r"\A#[ \t]+(.+?)[ \t]*\n")
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True, order=True)
class ContentFault:
    """One thing that is wrong in the files of a course."""

    path: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


class ContentError(Exception):
    """A course that can not be published, with everything that is wrong with it."""

    def __init__(self, faults: list[ContentFault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


def read_course(folder: Path) -> CourseContent:
    """
    Raises:
        ContentError: something in it is wrong or missing.
    """
    faults: list[ContentFault] = []
    about = _read_yaml(folder / "course.yml", CourseFile, faults)
    if about is None:
        raise ContentError(faults)
    steps = [_read_step(folder / "steps", key, faults) for key in about.steps]
    faults += _strangers(folder / "steps", set(about.steps))
    whole = [step for step in steps if step is not None]
    faults += _lacking_questions(folder / "steps", about.level, whole)
    if faults:
        raise ContentError(sorted(faults))
    try:
        return CourseContent(about=about, steps=tuple(whole))
    except ValidationError as error:
        raise ContentError(
            [ContentFault(folder / "course.yml", 1, _sentence(item)) for item in error.errors()]
        ) from error


def source_digest(text: str) -> str:
    """What a translation names the text by that it was made of."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _read_step(folder: Path, key: str, faults: list[ContentFault]) -> Step | None:
    file = _read_yaml(folder / f"{key}.yml", StepFile, faults)
    read = {language: _read_text(folder, key, language, faults) for language in LANGUAGES}
    texts = {language: text for language, text in read.items() if text is not None}
    if file is None or len(texts) < len(LANGUAGES):
        return None
    parts = {name: getattr(file, name) for name in StepFile.model_fields}
    try:
        return Step(key=key, texts=texts, **parts)
    except ValidationError as error:
        faults += [
            ContentFault(folder / f"{key}.yml", 1, _sentence(item)) for item in error.errors()
        ]
        return None


def _read_text(
    folder: Path, key: str, language: str, faults: list[ContentFault]
) -> StepText | None:
    path = folder / f"{key}.{language}.md"
    text = _read(path, faults)
    if text is None:
        return None
    is_outdated = False
    if language != SOURCE_LANGUAGE:
        mark = SOURCE_MARK.match(text)
        source = _read(folder / f"{key}.{SOURCE_LANGUAGE}.md", [])
        is_outdated = mark is None or source is None or mark[1] != source_digest(source)
        text = text[mark.end() :] if mark else text
    title = _TITLE.match(text)
    if title is None:
        faults.append(ContentFault(path, 1, "the first line must be the title: # ..."))
        return None
    faults += [
        ContentFault(path, _line_of(text, directive), f"there is nothing to show for {directive}")
        for directive in unknown_directives(text)
    ]
    return StepText(
        title=title[1], body=text[title.end() :].strip() + "\n", is_outdated=is_outdated
    )


def _read_yaml(path: Path, model: type[M], faults: list[ContentFault]) -> M | None:
    text = _read(path, faults)
    if text is None:
        return None
    try:
        lined = LinedYaml(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        faults.append(ContentFault(path, line, f"this is no YAML: {error.problem}"))
        return None
    except yaml.YAMLError as error:
        faults.append(ContentFault(path, 1, f"this is no YAML: {error}"))
        return None
    try:
        return model.model_validate(lined.data)
    except ValidationError as error:
        faults += [
            ContentFault(path, lined.line_of(item["loc"]), _sentence(item))
            for item in error.errors()
        ]
        return None


def _read(path: Path, faults: list[ContentFault]) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        faults.append(ContentFault(path, 1, "this file is missing"))
    except UnicodeDecodeError as error:
        faults.append(ContentFault(path, 1, f"this is not UTF-8 at byte {error.start}"))
    return None


def _line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def _strangers(folder: Path, keys: set[str]) -> list[ContentFault]:
    """Files of steps that the course does not have."""
    known = {f"{key}.yml" for key in keys}
    known |= {f"{key}.{language}.md" for key in keys for language in LANGUAGES}
    return [
        ContentFault(path, 1, "no step of course.yml has this file")
        for path in folder.glob("*")
        if path.name not in known
    ]


def _lacking_questions(folder: Path, level: int, steps: list[Step]) -> list[ContentFault]:
    """Checks that measure on hidden questions, at a level that keeps none."""
    if all(hidden_records(level, language) for language in LANGUAGES):
        return []
    paths = [
        folder / f"{step.key}.yml"
        for step in steps
        if any(check.predicate == HIDDEN_GAIN for check in step.checks)
    ]
    message = f"{HIDDEN_GAIN} measures on hidden questions, and level {level} keeps none"
    return [
        ContentFault(path, _line_of(path.read_text(encoding="utf-8"), HIDDEN_GAIN), message)
        for path in paths
    ]


def _sentence(item: Any) -> str:
    where = ".".join(map(str, item["loc"]))
    message: str = item["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
