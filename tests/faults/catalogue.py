"""Every fault by its number in the plan, and how a chosen few of them are run."""

from __future__ import annotations

import time

from tests.faults import cases
from tests.faults.backup_case import f36_backup_and_restore
from tests.faults.classroom import Classroom
from tests.faults.reader_case import f25_slow_readers

CASES: dict[str, cases.Case] = {
    "F-01 engine killed at random steps": cases.f01_engine_killed_at_random_steps,
    "F-04 frozen worker comes back": cases.f04_frozen_worker_comes_back,
    "F-05 graceful drain": cases.f05_drain,
    "F-06 poison job": cases.f06_poison,
    "F-07 Redis killed": cases.f07_redis_killed,
    "F-08 Redis emptied": cases.f08_redis_emptied,
    "F-09 Redis frozen": cases.f09_redis_frozen,
    "F-10 Redis full": cases.f10_redis_full,
    "F-11 a hundred pokes": cases.f11_many_pokes,
    "F-14 web server killed": cases.f14_web_killed,
    "F-16 database locked": cases.f16_database_locked,
    "F-18 connections cut": cases.f18_connections_cut,
    "F-25 slow readers": f25_slow_readers,
    "F-28 everything sleeps": cases.f28_all_sleep,
    "F-29 checkpoint damaged": cases.f29_checkpoint_damaged,
    "F-32 cancel races": cases.f32_cancel_races,
    "F-36 backup and restore": f36_backup_and_restore,
}
SHORT = ("F-05", "F-07", "F-08", "F-11", "F-29")


def run(
    room: Classroom, digest: str, *, names: list[str] | None, is_short: bool
) -> dict[str, list[str]]:
    """The chosen faults, one after another, with what did not hold."""
    chosen = tuple(names) if names is not None else SHORT if is_short else ("F-",)
    outcomes = {}
    for name, case in CASES.items():
        if not name.startswith(chosen):
            continue
        started = time.monotonic()
        try:
            outcomes[name] = case(room, digest)
        except AssertionError as error:
            outcomes[name] = [str(error)]
        finally:
            room.stack.restarts = True
        room.stack.wait_ready()
        print(
            f"{name}: {outcomes[name] or 'held'} ({time.monotonic() - started:.0f} s)", flush=True
        )
    return outcomes
