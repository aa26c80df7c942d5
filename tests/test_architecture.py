"""What the import contracts can not see: which libraries a running process really holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT_ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "transformers", "peft", "accelerate", "datasets")
TORCH_FREE_ENGINE = (
    "engine.client",
    "engine.config",
    "engine.protocol",
    "engine.errors",
    "engine.catalog",
    "engine.presets",
    "engine.data.records",
    "engine.models.cache",
)


def loaded_heavy_modules(program: str, home: Path) -> list[str]:
    """Run a program in a fresh interpreter; returns the heavy libraries that it loaded."""
    tail = f"\nimport json, sys; print(json.dumps([n for n in {HEAVY} if n in sys.modules]))"
    answer = subprocess.run(
        [sys.executable, "-c", program + tail],
        cwd=PROJECT_ROOT,
        env={**os.environ, "LLMLORA_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout.splitlines()[-1])


def test_web_process_loads_no_torch(tmp_path: Path) -> None:
    program = """
import llmlora_site.asgi
from django.urls import get_resolver
get_resolver().url_patterns  # loads every view
import django.contrib.admin
django.contrib.admin.autodiscover()
"""
    assert loaded_heavy_modules(program, tmp_path) == []


def test_worker_process_loads_no_torch(tmp_path: Path) -> None:
    program = """
import django
from llmlora_site.celery import app
django.setup()
app.loader.import_default_modules()
import chat.execution, training.execution, modelhub.execution, llmlora_site.patrol
assert {"training.run_waiting_jobs"} <= set(app.tasks)
"""
    assert loaded_heavy_modules(program, tmp_path) == []


def test_command_line_loads_no_torch(tmp_path: Path) -> None:
    program = """
from llmlora_site.cli import commands, demo, doctor, up, web, worker
"""
    assert loaded_heavy_modules(program, tmp_path) == []


@pytest.mark.parametrize("module", TORCH_FREE_ENGINE)
def test_shared_part_of_the_engine_loads_no_torch(module: str, tmp_path: Path) -> None:
    assert loaded_heavy_modules(f"import {module}", tmp_path) == []


def test_engine_loads_no_django(tmp_path: Path) -> None:
    program = """
import sys
import engine.server, engine.client
assert not any(name.partition(".")[0] in ("django", "celery", "channels") for name in sys.modules)
"""
    loaded_heavy_modules(program, tmp_path)
