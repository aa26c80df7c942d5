"""F-36: a backup of a running classroom, brought back into an empty installation."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.product import ROOT, free_port
from tests.faults.cases import LONG, row, wait_for_end, wait_for_step
from tests.faults.classroom import Classroom
from tests.faults.invariants import broken_invariants
from tests.faults.stack import START_SECONDS, Program, wait_until

END_SECONDS = 300.0
READ_JOBS = """
import json
from llmlora_site.cli.preparation import set_up_django
set_up_django()
from django.core.files.storage import default_storage
from training.models import TrainingJob
print(json.dumps({
    str(job.pk): [
        job.status,
        job.lost_attempts,
        job.adapter.digest if hasattr(job, "adapter") else "",
        default_storage.exists(job.dataset_version.file),
    ]
    for job in TrainingJob.objects.select_related("adapter", "dataset_version")
}))
"""


def f36_backup_and_restore(room: Classroom, digest: str) -> list[str]:
    """Backed up while jobs run and wait, then restored elsewhere: all are there, and those under way end as here."""
    done = room.start_job(room.students[3])
    wait_for_end(room, [done])
    running = [room.start_job(student, **LONG) for student in room.students[:2]]
    waiting = room.start_job(room.students[2])
    for job_id in running:
        wait_for_step(job_id, 5)
    jobs = [done, *running, waiting]
    folder = room.stack.logs.parent / f"restored-{time.time():.0f}"
    folder.mkdir()
    archive = folder / "backup.tar"
    _llmlora(room.stack.environment, "backup", archive)
    told = _llmlora(room.stack.environment, "backup", archive, is_refused=True)
    wait_for_end(room, jobs)
    found = broken_invariants(room, jobs)
    if "exists already" not in told:
        found.append(f"F-36 a second backup was not refused: {told}")
    here = {job_id: row(job_id).adapter.digest for job_id in jobs}
    with _other_installation(room, folder) as environment:
        _llmlora(environment, "restore", archive)
        before = _read(environment)
        with _running(environment, folder):
            wait_until(
                lambda: all(_read(environment)[job_id][0] == "completed" for job_id in jobs),
                END_SECONDS,
                "the restored jobs end",
            )
        after = _read(environment)
    found += [f"F-36 job {job_id} is missing" for job_id in set(here) - set(before)]
    for job_id, (status, losses, adapter, has_data) in after.items():
        if job_id in here and (status, adapter, has_data) != ("completed", here[job_id], True):
            found.append(f"F-36 {job_id}: {status}, {losses} losses, adapter {adapter[:8]}")
    if any(after[job_id][1] != 1 for job_id in running):
        found.append("F-36 a job that ran at the backup was not charged one loss")
    return found


def _llmlora(environment: dict[str, str], *arguments: object, is_refused: bool = False) -> str:
    command = [sys.executable, "-m", "llmlora_site.cli", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == int(is_refused), done.stdout + done.stderr
    return done.stdout + done.stderr


def _read(environment: dict[str, str]) -> dict[str, list]:
    """The jobs as the installation's own rows say."""
    done = subprocess.run(
        [sys.executable, "-c", READ_JOBS],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def _other_installation(room: Classroom, folder: Path) -> Iterator[dict[str, str]]:
    """Settings of an installation with nothing in it; with PostgreSQL, another database of the same server."""
    environment = room.stack.environment | {"LLMLORA_HOME": str(folder / "home")}
    url = environment.get("DATABASE_URL")
    if not url:
        yield environment
        return
    import psycopg

    name = f"restored_{folder.name.rpartition('-')[2]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield environment | {"DATABASE_URL": f"{url.rpartition('/')[0]}/{name}"}


@contextmanager
def _running(environment: dict[str, str], folder: Path) -> Iterator[None]:
    """The whole system on it, with a worker of another name than those of the backup."""
    port = free_port()
    command = [sys.executable, "-m", "llmlora_site.cli", "up", "--port", str(port), "--no-browser"]
    system = Program("restored", command, environment, folder / "up.log")
    system.start()
    try:
        from llmlora_site.cli import children

        wait_until(
            lambda: children.answers_healthy("127.0.0.1", port),
            START_SECONDS,
            f"the restored system starts; see {folder}",
        )
        yield
    finally:
        system.stop(90)
