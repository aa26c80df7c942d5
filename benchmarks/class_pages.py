"""How long the pages of a class take: 300 students in the first course, 5,000 jobs; also how many queries, also for 30.

`python -m benchmarks class_pages` takes some minutes on a database of its own. Django's test client calls the views in
this process: what is measured is the page, without the web server. A page that asks more queries of 300 students than
of 30 fails the run, and so does one that takes more than 300 ms.
"""

from __future__ import annotations

import importlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import django

from llmlora_site.home import Home

RESULTS = Path(__file__).parent / "results"
SIZES = {30: 500, 300: 5_000}
"""Students of a class, and jobs of it."""
LIMIT_SECONDS = 0.3


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="llmlora-bench-") as folder:
        os.environ["LLMLORA_HOME"] = folder
        os.environ["DJANGO_SETTINGS_MODULE"] = "llmlora_site.settings"
        Home(Path(folder)).create()
        django.setup()
        return _measure()


def _measure() -> int:
    management = importlib.import_module("django.core.management")
    management.call_command("migrate", verbosity=0)
    management.call_command("createcachetable", verbosity=0)
    importlib.import_module("modelhub.services").sync_base_models()
    importlib.import_module("courses.services.publishing").publish_courses()
    world = importlib.import_module("benchmarks.class_pages_world")
    rows: dict[str, dict[str, Any]] = {}
    for students, jobs in SIZES.items():
        cohort, leader = world.make_class(students, jobs)
        for page, found in world.time_pages(cohort, leader).items():
            rows.setdefault(page, {})[str(students)] = found
    _write(rows)
    failures = [page for page, row in rows.items() if not _is_good(row)]
    for page in failures:
        print(f"NOT GOOD: {page}: {rows[page]}")
    return int(bool(failures))


def _is_good(row: dict[str, Any]) -> bool:
    small, large = (row[str(students)] for students in SIZES)
    return bool(large["p95_seconds"] <= LIMIT_SECONDS and large["queries"] <= small["queries"])


def _write(rows: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "class_pages.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    lines = [
        "# Pages of a class",
        "",
        "| Page | 300 students, 5,000 jobs: p50 | p95 | queries | queries at 30 students | KiB |",
        "|---|---|---|---|---|---|",
    ]
    for page, row in rows.items():
        small, large = (row[str(students)] for students in SIZES)
        lines.append(
            f"| {page} | {1000 * large['p50_seconds']:.0f} ms | {1000 * large['p95_seconds']:.0f} ms "
            f"| {large['queries']} | {small['queries']} | {large['bytes'] / 1024:.0f} |"
        )
    text = "\n".join(lines) + "\n"
    (RESULTS / "class_pages.md").write_text(text, encoding="utf-8")
    print(text)
