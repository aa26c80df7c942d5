"""The faults that are not kills at a crash point, by their numbers in the plan; each returns what did not hold."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Callable

from redis import Redis

from tests.faults.classroom import Classroom
from tests.faults.invariants import broken_invariants
from tests.faults.stack import LEASE_SECONDS, Program, wait_until

LONG = {"num_epochs": 100}
END_SECONDS = 240.0
Case = Callable[[Classroom, str], list[str]]


def undisturbed_digest(room: Classroom) -> str:
    """The adapter of a job that nothing happens to: every disturbed one must end with the same bits."""
    job_id = room.start_job(room.students[0])
    wait_for_end(room, [job_id])
    return str(row(job_id).adapter.digest)


def row(job_id: str):
    from training.models import TrainingJob

    return TrainingJob.objects.select_related("adapter").get(pk=job_id)


def wait_for_end(room: Classroom, job_ids: list[str], seconds: float = END_SECONDS) -> None:
    wait_until(
        lambda: all(not row(job_id).is_active for job_id in job_ids), seconds, f"{job_ids} end"
    )


def wait_for_step(job_id: str, step: int = 1) -> None:
    wait_until(
        lambda: row(job_id).current_step >= step or not row(job_id).is_active, END_SECONDS, "a step"
    )


def worker_of(room: Classroom, job_id: str) -> Program:
    name = row(job_id).worker_name
    return next(worker for worker in room.stack.workers if worker.name == name)


def f01_engine_killed_at_random_steps(room: Classroom, digest: str) -> list[str]:
    """Killed at other moments than the crash points: after 1 to 90 of the steps."""
    found = []
    for step in (1, 17, 44, 71, 90):
        job_id = room.start_job(room.students[0])
        wait_for_step(job_id, step)
        pid = worker_of(room, job_id).engine_pid()
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        wait_for_end(room, [job_id])
        found += broken_invariants(room, [job_id], digest=digest)
    return found


def f04_frozen_worker_comes_back(room: Classroom, digest: str) -> list[str]:
    """A worker stands still for longer than its lease and then goes on: it may write nothing any more."""
    job_id = room.start_job(room.students[0], **LONG)
    wait_for_step(job_id)
    worker = worker_of(room, job_id)
    worker.signal(signal.SIGSTOP)
    wait_until(lambda: row(job_id).worker_name != worker.name, 60, "the other worker takes over")
    worker.signal(signal.SIGCONT)
    wait_for_end(room, [job_id])
    room.stack.wait_ready()
    found = broken_invariants(room, [job_id])
    if row(job_id).lost_attempts != 1:
        found.append(f"F-04 charged {row(job_id).lost_attempts} losses instead of one")
    return found


def f05_drain(room: Classroom, digest: str) -> list[str]:
    """A worker that is asked to stop leaves a checkpoint and gives its job back, uncharged, within a minute."""
    job_id = room.start_job(room.students[0], **LONG)
    wait_for_step(job_id, 5)
    worker = worker_of(room, job_id)
    room.stack.restarts = False
    seconds = worker.stop(60)
    code = worker.process.returncode if worker.process else None
    charged = row(job_id).lost_attempts
    room.stack.restarts = True
    wait_for_end(room, [job_id])
    room.stack.wait_ready()
    found = broken_invariants(room, [job_id])
    if code != 0 or seconds > 60:
        found.append(f"F-05 ended with {code} after {seconds:.0f} s")
    if charged:
        found.append("F-05 the drain was charged to the job")
    if not row(job_id).plan.get("resumed_step"):
        found.append("F-05 the job began anew")
    return found


def f06_poison(room: Classroom, digest: str) -> list[str]:
    """A job that kills its engine each time ends after three attempts; the others go on."""
    from training.models import TrainingJob

    poison = room.start_job(room.students[0], learning_rate=2e-3)
    for loss in (1, 2, 3):
        wait_until(
            lambda: (
                row(poison).status == "running"
                and row(poison).current_step > 0
                or not row(poison).is_active
            ),
            90,
            "an attempt runs",
        )
        pid = worker_of(room, poison).engine_pid()
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        wait_until(
            lambda loss=loss: row(poison).lost_attempts >= loss, 60, f"loss {loss} is charged"
        )
    good = room.start_job(room.students[1])
    wait_for_end(room, [poison, good])
    found = broken_invariants(room, [good], digest=digest)
    job = TrainingJob.objects.get(pk=poison)
    if (job.status, job.error_code, job.lost_attempts) != ("failed", "engine_died", 3):
        found.append(f"F-06 {job.status} {job.error_code} after {job.lost_attempts} losses")
    return found


def f07_redis_killed(room: Classroom, digest: str) -> list[str]:
    """Redis is away for ten seconds: running jobs end, new ones are accepted quickly and run."""
    stack = room.stack
    running = room.start_job(room.students[0], **LONG)
    wait_for_step(running)
    stack.restarts = False
    stack.redis.signal(signal.SIGKILL)
    started = time.monotonic()
    accepted = room.start_job(room.students[1])
    seconds = time.monotonic() - started
    time.sleep(10)
    stack.restarts = True
    wait_for_end(room, [running, accepted])
    found = broken_invariants(room, [running]) + broken_invariants(room, [accepted], digest=digest)
    if seconds > 5:
        found.append(f"F-07 the order took {seconds:.1f} s without Redis")
    return found


def f08_redis_emptied(room: Classroom, digest: str) -> list[str]:
    """Redis forgets everything, again and again, while jobs wait and run."""
    client = Redis(unix_socket_path=str(room.stack.home.redis_socket))
    jobs = [room.start_job(student) for student in room.students]
    for _ in range(20):
        client.flushall()
        time.sleep(0.1)
    wait_for_end(room, jobs)
    return broken_invariants(room, jobs, digest=digest)


def f09_redis_frozen(room: Classroom, digest: str) -> list[str]:
    """Redis takes connections and answers nothing: orders still come through."""
    room.stack.redis.signal(signal.SIGSTOP)
    started = time.monotonic()
    try:
        job_id = room.start_job(room.students[0])
        seconds = time.monotonic() - started
        status, _body = room.call("GET", "/api/training/jobs", None, room.students[0])
    finally:
        room.stack.redis.signal(signal.SIGCONT)
    wait_for_end(room, [job_id])
    found = broken_invariants(room, [job_id], digest=digest)
    if status != 200 or seconds > 15:
        found.append(f"F-09 status {status}, the order took {seconds:.1f} s")
    return found


def f10_redis_full(room: Classroom, digest: str) -> list[str]:
    """Redis has no memory left: orders are accepted all the same."""
    client = Redis(unix_socket_path=str(room.stack.home.redis_socket))
    client.config_set("maxmemory", "1")
    try:
        job_id = room.start_job(room.students[0])
        wait_for_end(room, [job_id])
    finally:
        client.config_set("maxmemory", "0")
    return broken_invariants(room, [job_id], digest=digest)


def f11_many_pokes(room: Classroom, digest: str) -> list[str]:
    """A hundred pokes for one job: one claim."""
    from training.tasks import run_waiting_jobs

    job_id = room.start_job(room.students[0])
    for _ in range(100):
        run_waiting_jobs.delay(job_id)
    wait_for_end(room, [job_id])
    found = broken_invariants(room, [job_id], digest=digest)
    if row(job_id).attempt != 1:
        found.append(f"F-11 {row(job_id).attempt} claims")
    return found


def f14_web_killed(room: Classroom, digest: str) -> list[str]:
    """The web server dies three times in the middle of a job and of new orders."""
    job_id = room.start_job(room.students[0], **LONG)
    others = []
    for student in room.students[1:]:
        room.stack.web.signal(signal.SIGKILL)
        others.append(room.start_job(student))
    wait_for_end(room, [job_id, *others])
    room.stack.wait_ready()
    return broken_invariants(room, [job_id]) + broken_invariants(room, others, digest=digest)


def f16_database_locked(room: Classroom, digest: str) -> list[str]:
    """Somebody holds SQLite's write lock for ten seconds: everything succeeds late, nobody is declared lost."""
    from django.db import connection

    if connection.vendor != "sqlite":
        return []
    job_id = room.start_job(room.students[0], **LONG)
    wait_for_step(job_id)
    holder = sqlite3.connect(room.stack.home.database, timeout=20, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    time.sleep(10)
    holder.execute("ROLLBACK")
    holder.close()
    other = room.start_job(room.students[1])
    wait_for_end(room, [job_id, other])
    found = broken_invariants(room, [job_id]) + broken_invariants(room, [other], digest=digest)
    if row(job_id).lost_attempts > 0:
        found.append("F-16 a false loss")
    return found


def f18_connections_cut(room: Classroom, digest: str) -> list[str]:
    """PostgreSQL drops every connection but ours, five times during a job."""
    from django.db import connection

    if connection.vendor != "postgresql":
        return []
    job_id = room.start_job(room.students[0], **LONG)
    wait_for_step(job_id)
    for _ in range(5):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        time.sleep(1)
    wait_for_end(room, [job_id])
    return broken_invariants(room, [job_id])


def f28_all_sleep(room: Classroom, digest: str) -> list[str]:
    """The lid is closed for longer than a lease: afterwards everything goes on, and nobody was lost."""
    jobs = [room.start_job(student, **LONG) for student in room.students[:2]]
    for job_id in jobs:
        wait_for_step(job_id)
    everyone = [
        *(worker.pid for worker in room.stack.workers),
        *(pid for worker in room.stack.workers if (pid := worker.engine_pid())),
        room.stack.redis.pid,
        room.stack.web.pid,
    ]
    for pid in everyone:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(LEASE_SECONDS * 2)
    for pid in everyone:
        os.kill(pid, signal.SIGCONT)
    wait_for_end(room, jobs)
    found = broken_invariants(room, jobs)
    found += [f"F-28 {job_id} was declared lost" for job_id in jobs if row(job_id).lost_attempts]
    return found


def f29_checkpoint_damaged(room: Classroom, digest: str) -> list[str]:
    """A byte of the newest checkpoint is wrong: an older one or the start is taken, never the damaged one."""
    job_id = room.start_job(room.students[0])
    folder = room.stack.home.work / f"{job_id}-checkpoints"
    wait_until(
        lambda: len(list(folder.glob("checkpoint-*"))) >= 1 or not row(job_id).is_active,
        90,
        "a checkpoint",
    )
    pid = worker_of(room, job_id).engine_pid()
    if pid is not None:
        os.kill(pid, signal.SIGSTOP)
        for path in folder.glob("checkpoint-*/adapter_model.safetensors"):
            content = bytearray(path.read_bytes())
            content[-1] ^= 1
            path.write_bytes(content)
        os.kill(pid, signal.SIGKILL)
    wait_for_end(room, [job_id])
    return broken_invariants(room, [job_id], digest=digest)


def f32_cancel_races(room: Classroom, digest: str) -> list[str]:
    """A cancel at many moments of a job ends it as cancelled or completed, never both, within 15 s."""
    found = []
    for delay in (0.0, 0.1, 0.3, 0.6, 1.0, 1.5, 2.2, 3.0):
        job_id = room.start_job(room.students[0])
        time.sleep(delay)
        room.call("POST", f"/api/training/jobs/{job_id}/cancel", None, room.students[0])
        wait_for_end(room, [job_id], seconds=15)
        found += broken_invariants(room, [job_id], digest=digest, may_be_cancelled=True)
    return found
