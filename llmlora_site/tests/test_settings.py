"""Settings that the environment may change, and what must hold whatever it says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = (
    "from llmlora_site import settings; "
    "print(settings.JOBS_PER_DEVICE, settings.CELERY_WORKER_CONCURRENCY)"
)


def read_settings(home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "LLMLORA_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("jobs", "threads", "told"),
    [("4", "8", "4 8"), ("4", "16", "4 16"), ("9", "8", "9 13"), ("1", "2", "1 5")],
)
def test_jobs_never_take_the_last_threads_of_the_replies(
    tmp_path: Path, jobs: str, threads: str, told: str
) -> None:
    answer = read_settings(tmp_path, LLMLORA_JOBS_PER_DEVICE=jobs, LLMLORA_WORKER_THREADS=threads)
    assert answer.stdout.strip() == told, answer.stderr


def test_a_worker_without_room_for_a_job_is_refused(tmp_path: Path) -> None:
    answer = read_settings(tmp_path, LLMLORA_JOBS_PER_DEVICE="0")
    assert answer.returncode != 0
    assert "must be 1 or more" in answer.stderr
