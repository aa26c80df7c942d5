"""The starter sets that come with the course levels, so that nobody needs data of their own to begin."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Part = Literal["train", "eval"]
Record = dict[str, str]

CONTENT_FOLDER = Path(__file__).resolve().parent / "content"
FIRST_LEVEL = 1
LEVELS = (1, 2, 3)
LANGUAGES = ("en", "ja")
DEFAULT_LANGUAGE = "en"


@dataclass(frozen=True, slots=True)
class Source:
    """Where an answer's fact can be read up; rows are the numbers of the training examples, from 1."""

    title: str
    url: str
    language: str
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StarterAbout:
    """What a level's set is, in one language; disclaimer is empty where none is needed."""

    level: int
    title: str
    description: str
    license: str
    disclaimer: str
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class StarterExample:
    question: str
    answer: str
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class StarterOffer:
    """A level's set as a page shows it."""

    about: StarterAbout
    examples: tuple[StarterExample, ...]
    eval_count: int


def starter_levels() -> tuple[int, ...]:
    return LEVELS


def starter_records(
    level: int = FIRST_LEVEL, part: Part = "train", language: str = DEFAULT_LANGUAGE
) -> list[Record]:
    """The records of a level's set, in the shape of an upload; a language we lack gets English."""
    return _read_records(level, part, language)


def hidden_records(level: int, language: str = DEFAULT_LANGUAGE) -> list[Record]:
    """Questions that a level keeps from its students, to measure what they can not train on; some levels keep none."""
    has_any = (_folder(level) / f"hidden.{_known(language)}.jsonl").exists()
    return _read_records(level, "hidden", language) if has_any else []


def starter_about(level: int, language: str = DEFAULT_LANGUAGE) -> StarterAbout:
    about: dict[str, Any] = json.loads((_folder(level) / "about.json").read_text(encoding="utf-8"))
    language = _known(language)
    return StarterAbout(
        level=level,
        title=about[language]["title"],
        description=about[language]["description"],
        license=about["license"],
        disclaimer=about["disclaimer"][language] if about["disclaimer"] else "",
        sources=tuple(
            Source(source["title"], source["url"], source["language"], tuple(source["rows"]))
            for source in about["sources"]
        ),
    )


def starter_offers(language: str = DEFAULT_LANGUAGE) -> list[StarterOffer]:
    """Every level's set, the first level first."""
    return [_offer(level, language) for level in LEVELS]


def _offer(level: int, language: str) -> StarterOffer:
    about = starter_about(level, language)
    return StarterOffer(
        about=about,
        examples=tuple(
            StarterExample(
                record["instruction"],
                record["output"],
                tuple(source for source in about.sources if number in source.rows),
            )
            for number, record in enumerate(starter_records(level, "train", language), start=1)
        ),
        eval_count=len(starter_records(level, "eval", language)),
    )


def _read_records(level: int, part: str, language: str) -> list[Record]:
    path = _folder(level) / f"{part}.{_known(language)}.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _folder(level: int) -> Path:
    return CONTENT_FOLDER / f"level-{level}"


def _known(language: str) -> str:
    """The language of ours that is meant: `ja-jp` is Japanese."""
    code = language.partition("-")[0]
    return code if code in LANGUAGES else DEFAULT_LANGUAGE
