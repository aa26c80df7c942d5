"""The reference students take the courses with a small stand-in for the base model: a real worker, in seconds a job.

What only a trained model can show stays out: the stand-in does not learn by heart, which level 2 asks for, and whether
its held-out loss rises soon enough to be stopped early is chance. `make play` takes all courses with the bundled model.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import create_home
from engine.tests.factories import make_tiny_base_model
from tests.e2e.product import ROOT

pytestmark = pytest.mark.e2e

NAME = "stand-in"
LIMIT_SECONDS = 600
LIMITS: dict[str, dict[str, str]] = {
    "level-1": {},
    "level-2": {"overfitting": "memorised"},
    "level-3": {"early-stopping": "stopped"},
}
"""Steps at which a play may end, with the check that is then not passed."""
RATE_FACTORS = {"level-1": 5, "level-2": 10, "level-3": 25}
"""With these the stand-in learns what each course asks for; its weights are random, so it needs more than usual."""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], dict[str, Any]]:
    """What became of each course in each language."""
    folder = tmp_path_factory.mktemp("course-play")
    home = create_home(folder / "home")
    make_tiny_base_model(
        home.local_models / NAME,
        seed=3,
        context_length=2048,
        hidden_size=64,
        intermediate_size=128,
        head_dim=16,
        initializer_range=0.1,
    )
    found = {}
    for slug, factor in RATE_FACTORS.items():
        for row in play(slug, factor, home.root, folder / f"{slug}.json"):
            found[row["slug"], row["language"]] = row
    return found


def play(slug: str, factor: int, home: Path, report: Path) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "llmlora_site.cli", "course", "play", slug, "--model", NAME]
    options = ["--rate-factor", str(factor), "--home", str(home), "--report", str(report)]
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


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("slug", sorted(RATE_FACTORS))
def test_the_reference_student_passes_all_that_a_stand_in_can_show(
    played: dict[tuple[str, str], dict[str, Any]], slug: str, language: str
) -> None:
    row = played[slug, language]
    problems = {step["key"]: step["problem"] for step in row["steps"] if step["problem"]}
    assert problems.keys() <= LIMITS[slug].keys(), problems
    assert all(LIMITS[slug][key] in problem for key, problem in problems.items()), problems
    assert row["is_complete"] or problems
