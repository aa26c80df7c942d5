"""Courses written into a folder by a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from courses.catalogue.reading import source_digest

ABOUT: dict[str, Any] = {
    "slug": "sample",
    "level": 1,
    "minutes": 5,
    "title": {"en": "Sample", "ja": "見本"},
    "summary": {"en": "A small course.", "ja": "小さなコースです。"},
    "outcomes": {"en": ["You know it."], "ja": ["わかります。"]},
    "steps": ["hello", "quiz"],
}
HELLO: dict[str, Any] = {
    "kind": "read",
    "minutes": 2,
    "weight": 0,
    "checks": [{"key": "opened", "is": "read.opened", "with": {"seconds": 1}}],
}
QUIZ: dict[str, Any] = {
    "kind": "quiz",
    "minutes": 3,
    "checks": [{"key": "right", "is": "quiz.passed", "with": {"right": 1}}],
    "questions": [
        {
            "key": "first",
            "kind": "one",
            "text": {"en": "Which?", "ja": "どれ？"},
            "options": [
                {
                    "key": "a",
                    "right": True,
                    "en": "This",
                    "ja": "これ",
                    "why": {"en": "Yes.", "ja": "はい。"},
                },
                {"key": "b", "en": "That", "ja": "それ", "why": {"en": "No.", "ja": "いいえ。"}},
            ],
        }
    ],
}


def write_course(
    folder: Path,
    about: dict[str, Any] | None = None,
    steps: dict[str, dict[str, Any]] | None = None,
) -> Path:
    """A course's folder; every step has a short text in both languages."""
    steps = {"hello": HELLO, "quiz": QUIZ} if steps is None else steps
    about = ABOUT | {"steps": list(steps)} | (about or {})
    (folder / "steps").mkdir(parents=True)
    write_yaml(folder / "course.yml", about)
    for key, step in steps.items():
        write_yaml(folder / "steps" / f"{key}.yml", step)
        write_texts(folder, key, f"# The step {key}\n\nSome text.\n")
    return folder


def write_yaml(path: Path, data: Any) -> None:
    text = yaml.dump(data, Dumper=_Dumper, allow_unicode=True, sort_keys=False)
    path.write_text(text, encoding="utf-8")


class _Dumper(yaml.SafeDumper):
    """Without references: courses are read without them."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def write_texts(folder: Path, key: str, english: str) -> None:
    steps = folder / "steps"
    (steps / f"{key}.en.md").write_text(english, encoding="utf-8")
    japanese = f"<!-- source: {source_digest(english)} -->\n# ステップ{key}\n\n文章です。\n"
    (steps / f"{key}.ja.md").write_text(japanese, encoding="utf-8")
