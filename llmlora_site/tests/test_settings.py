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

STORAGE_PROGRAM = (
    "from llmlora_site import settings; print(settings.MEDIA_ROOT, settings.STORAGES['default'])"
)


def read_settings(
    home: Path, program: str = PROGRAM, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
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


def test_files_stand_in_the_data_folder_unless_told_otherwise(tmp_path: Path) -> None:
    answer = read_settings(tmp_path, STORAGE_PROGRAM, LLMLORA_MEDIA="", LLMLORA_STORAGE="")
    assert answer.stdout.strip() == (
        f"{tmp_path / 'media'} {{'BACKEND': 'common.storage.AtomicFileSystemStorage', 'OPTIONS': {{}}}}"
    )


def test_several_hosts_can_share_a_folder_or_an_object_store(tmp_path: Path) -> None:
    answer = read_settings(
        tmp_path,
        STORAGE_PROGRAM,
        LLMLORA_MEDIA="/mnt/llmlora",
        LLMLORA_STORAGE="storages.backends.s3.S3Storage",
        LLMLORA_STORAGE_OPTIONS='{"bucket_name": "class"}',
    )
    assert answer.stdout.strip() == (
        "/mnt/llmlora {'BACKEND': 'storages.backends.s3.S3Storage', 'OPTIONS': {'bucket_name': 'class'}}"
    )


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"LLMLORA_MEDIA": "media"}, "must be an absolute path"),
        ({"LLMLORA_STORAGE_OPTIONS": "bucket=class"}, "must be a JSON object"),
        ({"LLMLORA_STORAGE_OPTIONS": "[1]"}, "must be a JSON object"),
    ],
)
def test_storage_settings_that_can_not_be_used_are_told(
    tmp_path: Path, environment: dict[str, str], words: str
) -> None:
    answer = read_settings(tmp_path, STORAGE_PROGRAM, **environment)
    assert answer.returncode != 0
    assert words in answer.stderr
