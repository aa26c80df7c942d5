"""The reference students take the courses with a small stand-in for the base model: a real worker, in seconds a job.

`make play` takes all courses with the bundled model.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from conftest import create_home
from tests.e2e.product import ROOT
from tests.stand_in import make_stand_in

pytestmark = pytest.mark.e2e

NAME = "stand-in"
LIMIT_SECONDS = 600
RATE_FACTOR = 6
"""With it the stand-in learns what each course asks for: so small a model needs higher rates than usual."""
COURSES = {"level-1": ("en",), "level-2": ("ja",), "level-3": ("en",)}
"""Each course in one language and each language in some course, for the sake of time."""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], dict[str, Any]]:
    """What became of each course in each language."""
    folder = tmp_path_factory.mktemp("course-play")
    home = create_home(folder / "home")
    make_stand_in(home.local_models / NAME)
    found = {}
    for slug, languages in COURSES.items():
        for row in play(slug, languages, home.root, folder / f"{slug}.json"):
            found[row["slug"], row["language"]] = row
    return found


def play(slug: str, languages: Sequence[str], home: Path, report: Path) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "llmlora_site.cli", "course", "play", slug, "--model", NAME]
    options = ["--rate-factor", str(RATE_FACTOR), "--home", str(home), "--report", str(report)]
    for language in languages:
        options += ["--language", language]
    done = subprocess.run(
        command + options,
        cwd=ROOT,
        env=os.environ | {"LLMLORA_SKIP_BUNDLED": "1", "LLMLORA_LANGUAGE": "en"},
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert report.exists(), done.stdout + done.stderr
    rows: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))
    return rows


@pytest.mark.parametrize(
    ("slug", "language"), [(slug, language) for slug in COURSES for language in COURSES[slug]]
)
def test_the_reference_student_passes_the_course(
    played: dict[tuple[str, str], dict[str, Any]], slug: str, language: str
) -> None:
    row = played[slug, language]
    problems = {step["key"]: step["problem"] for step in row["steps"] if step["problem"]}
    assert problems == {}
    assert row["is_complete"]
