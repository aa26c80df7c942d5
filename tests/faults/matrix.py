"""Every crash point with every target: who is killed where, and that nothing of it is lost."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from itertools import product

from tests.faults.classroom import Classroom
from tests.faults.invariants import broken_invariants
from tests.faults.stack import LEASE_SECONDS, Stack, wait_until

PLACES = {
    "P1": "after the job's commit, before its poke",
    "P2": "after the poke, before a worker pops it",
    "P3": "message popped, nothing claimed",
    "P4": "claimed, engine not told",
    "P5": "base model loaded, dataset not read",
    "P6": "between two passes of a step",
    "P7": "in the middle of a checkpoint's files",
    "P8": "result's files stored, not its manifest",
    "P9": "manifest stored, database not told",
    "P10": "result's transaction not committed",
    "P11": "committed, message not finished",
    "P12": "the cancel is heard, the engine not told",
}
TARGETS = ("engine", "worker", "group")
ROUND_SECONDS = 150.0
LAST_REPEAT = 4
CANCELLED_AT = "P12"
LONG = {"num_epochs": 100, "batch_size": 1}
"""A job that is under way for seconds: it does not end before its cancel is heard."""
TERMINAL = ("completed", "failed", "cancelled")


@dataclass
class Tally:
    """What the matrix found."""

    kills: int = 0
    jobs: int = 0
    unfired: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    recovery_seconds: list[float] = field(default_factory=list)


def cells(repeats: int, seed: int, places: list[str] | None = None) -> list[tuple[str, str, int]]:
    """(place, target, repeat) in a shuffled order that the seed gives."""
    every = [
        (place, target, repeat)
        for repeat, place, target in product(range(repeats), places or PLACES, TARGETS)
    ]
    random.Random(seed).shuffle(every)
    return every


def run_matrix(room: Classroom, every: list[tuple[str, str, int]], digest: str) -> Tally:
    """Two cells at a time, each with a job of its own."""
    tally = Tally()
    waiting = list(every)
    while waiting:
        first = waiting.pop(0)
        other = next((cell for cell in waiting if cell[0] != first[0]), None)
        if _is_alone(first) or (other is not None and _is_alone(other)):
            other = None
        if other is not None:
            waiting.remove(other)
        _round(room, [cell for cell in (first, other) if cell is not None], digest, tally)
        print(
            f"{len(every) - len(waiting)}/{len(every)} cells, {tally.kills} kills, "
            f"{len(tally.broken)} broken",
            flush=True,
        )
    return tally


def _is_alone(cell: tuple[str, str, int]) -> bool:
    """One worker at least has to live; and a kill beside it could take the job before its cancel is heard."""
    return cell[0] == CANCELLED_AT or _stays_dead(cell)


def _stays_dead(cell: tuple[str, str, int]) -> bool:
    """In the last repeat nobody starts a dead worker again before the other one has taken over."""
    _place, target, repeat = cell
    return target == "worker" and repeat == LAST_REPEAT


def _round(room: Classroom, chosen: list[tuple[str, str, int]], digest: str, tally: Tally) -> None:
    stack, started = room.stack, time.monotonic()
    stack.restarts = not _stays_dead(chosen[0])
    for place, target, _repeat in chosen:
        stack.arm(place, target)
    cancels = any(place == CANCELLED_AT for place, _target, _repeat in chosen)
    settings = LONG if cancels else {}
    job_ids = [
        room.start_job(student, **settings)
        for student, _cell in zip(room.students, chosen, strict=False)
    ]
    if cancels:
        _cancel_when_running(room, job_ids[0])
    try:
        _wait_for_end(stack, job_ids)
    except AssertionError as error:
        tally.broken.append(f"{chosen}: {error}")
    stack.restarts = True
    stack.wait_ready()
    for place, target, repeat in chosen:
        name = f"{place} {target} {repeat}"
        if stack.is_armed(place):
            tally.unfired.append(name)
        else:
            tally.kills += 1
    stack.disarm()
    tally.jobs += len(job_ids)
    found = broken_invariants(room, job_ids, digest=digest, may_be_cancelled=cancels)
    tally.broken += [f"{chosen}: {sentence}" for sentence in found]
    tally.recovery_seconds.append(time.monotonic() - started)


def _cancel_when_running(room: Classroom, job_id: str) -> None:
    from training.models import TrainingJob

    def has_begun() -> bool:
        row = TrainingJob.objects.values("status", "current_step").get(pk=job_id)
        return row["status"] in TERMINAL or row["current_step"] > 0

    wait_until(has_begun, ROUND_SECONDS, "the job to cancel runs")
    room.call("POST", f"/api/training/jobs/{job_id}/cancel", None, room.students[0])


def _wait_for_end(stack: Stack, job_ids: list[str]) -> None:
    from training.models import TrainingJob

    def are_over() -> bool:
        rows = TrainingJob.objects.filter(pk__in=job_ids, status__in=TERMINAL)
        return rows.count() == len(job_ids)

    wait_until(are_over, ROUND_SECONDS + LEASE_SECONDS, f"jobs {job_ids} end")
