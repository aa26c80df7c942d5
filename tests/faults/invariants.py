"""What must hold after every fault, read from the rows, the files and the process table."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import psutil

from tests.faults.classroom import Classroom
from tests.faults.stack import wait_until

SETTLE_SECONDS = 20


def broken_invariants(
    room: Classroom, job_ids: list[str], *, digest: str = "", may_be_cancelled: bool = False
) -> list[str]:
    """A sentence for each invariant that does not hold for these jobs, which have come to their end.

    Args:
        digest: of the adapter that an undisturbed job with the same settings leaves.
    """
    from django.db import close_old_connections

    close_old_connections()
    return [
        *_ends(job_ids, may_be_cancelled=may_be_cancelled),
        *_results(job_ids, digest),
        *_attempts(job_ids),
        *_streams(room, job_ids),
        *_processes(room),
        *_folders(job_ids),
        *_usage(),
        *(f"I-8 answered with an error of ours: {error}" for error in room.server_errors),
        *_database(),
        *_words(job_ids),
    ]


def _jobs(job_ids: list[str]):
    from training.models import TrainingJob

    return {str(job.pk): job for job in TrainingJob.objects.filter(pk__in=job_ids)}


def _ends(job_ids: list[str], *, may_be_cancelled: bool) -> Iterator[str]:
    allowed = {"completed", "cancelled"} if may_be_cancelled else {"completed"}
    jobs = _jobs(job_ids)
    for job_id in job_ids:
        job = jobs.get(job_id)
        if job is None:
            yield f"I-1 job {job_id} was accepted and is gone"
        elif job.status not in allowed:
            yield f"I-1 job {job_id} is {job.status} ({job.error_code}, {job.stage})"


def _results(job_ids: list[str], digest: str) -> Iterator[str]:
    from django.core.files.storage import default_storage

    from training.models import Adapter

    for adapter in Adapter.objects.filter(job_id__in=job_ids).select_related("job"):
        for name, expected in adapter.files.items():
            with default_storage.open(f"{adapter.prefix}/{name}", "rb") as stream:
                if hashlib.sha256(stream.read()).hexdigest() != expected:
                    yield f"I-2 {adapter.job_id}: {name} is not what its manifest says"
        if digest and adapter.digest != digest:
            yield f"I-2 {adapter.job_id}: other weights than an undisturbed job's"
    for job in _jobs(job_ids).values():
        if (job.status == "completed") != Adapter.objects.filter(job=job).exists():
            yield f"I-2 {job.pk}: {job.status}, and its adapter does not fit that"


def _attempts(job_ids: list[str]) -> Iterator[str]:
    for job in _jobs(job_ids).values():
        begun = [
            payload["attempt"]
            for payload in job.events.filter(type="stage")
            .order_by("seq")
            .values_list("payload", flat=True)
            if payload["stage"] == "preparing" and "attempt" in payload
        ]
        if begun != sorted(set(begun)):
            yield f"I-3 {job.pk}: attempts overlap or repeat: {begun}"
        if job.status == "completed" and job.metric_points.exclude(attempt=job.attempt).exists():
            yield f"I-3 {job.pk}: points of another attempt than the last"


def _streams(room: Classroom, job_ids: list[str]) -> Iterator[str]:
    for job in _jobs(job_ids).values():
        numbers = list(job.events.order_by("seq").values_list("seq", flat=True))
        if numbers != list(range(1, len(numbers) + 1)) or job.event_seq != len(numbers):
            yield f"I-4 {job.pk}: seq is not dense: {len(numbers)} events, last {job.event_seq}"
        owner = next(student for student in room.students if student.name == job.owner.username)
        status, body = room.call("GET", f"/api/training/jobs/{job.pk}/progress", None, owner)
        told = {point["step"]: point for point in body["metrics"]} if status == 200 else {}
        streamed = {
            point["step"]: point["loss"]
            for payload in job.events.filter(type="metrics")
            .order_by("seq")
            .values_list("payload", flat=True)
            for point in payload["points"]
        }
        losses = {step: point["loss"] for step, point in told.items() if point["loss"] is not None}
        if job.status == "completed" and losses != streamed:
            yield f"I-5 {job.pk}: the stream and a fresh fetch differ"


def _processes(room: Classroom) -> Iterator[str]:
    """Every engine belongs to a living worker of ours; one that was killed takes a moment to be gone."""
    try:
        wait_until(lambda: not _orphans(room), SETTLE_SECONDS, "orphans end")
    except AssertionError:
        yield f"I-6 engines without a worker: {_orphans(room)}"


def _orphans(room: Classroom) -> list[int]:
    home, workers = str(room.stack.home.root), {worker.pid for worker in room.stack.workers}
    found = []
    for process in psutil.process_iter(["cmdline", "ppid"]):
        try:
            is_engine = "engine.server" in (process.info["cmdline"] or [])
            is_ours = is_engine and process.cwd().startswith(home)
            if is_ours and process.info["ppid"] not in workers and process.status() != "zombie":
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def _folders(job_ids: list[str]) -> Iterator[str]:
    from django.conf import settings

    completed = {str(job.pk) for job in _jobs(job_ids).values() if job.status == "completed"}

    def left() -> list[str]:
        names = [path.name for path in settings.LLMLORA_HOME.work.iterdir()]
        return [name for name in names if name[:36] in completed]

    try:
        wait_until(lambda: not left(), SETTLE_SECONDS, "work folders go")
    except AssertionError:
        yield f"I-6 folders left behind: {left()}"


def _usage() -> Iterator[str]:
    from django.db.models import Sum

    from training.models import DeviceUsage, TrainingJob

    for row in (
        TrainingJob.objects.values("owner").annotate(seconds=Sum("device_seconds")).order_by()
    ):
        used = DeviceUsage.objects.filter(user=row["owner"]).aggregate(seconds=Sum("seconds"))
        if abs((used["seconds"] or 0) - row["seconds"]) > 1e-3:
            yield f"I-7 device time of {row['owner']}: {used['seconds']} counted, {row['seconds']} of jobs"


def _database() -> Iterator[str]:
    from django.db import connection

    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA integrity_check")
        (answer,) = cursor.fetchone()
    if answer != "ok":
        yield f"I-9 the database is damaged: {answer}"


def _words(job_ids: list[str]) -> Iterator[str]:
    from training.selectors import job_log

    for job in _jobs(job_ids).values():
        # A loss of a job that was to be cancelled ends it, as asked.
        if (
            job.status != "cancelled"
            and job.lost_attempts
            and not any("lost" in text or "gave the job back" in text for _at, text in job_log(job))
        ):
            yield f"I-10 {job.pk}: {job.lost_attempts} losses, and its log says nothing of them"
