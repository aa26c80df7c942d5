"""`python -m tests.faults`: the matrix of kills and the other faults, on SQLite and PostgreSQL, with a report."""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.faults import catalogue
from tests.faults.cases import undisturbed_digest
from tests.faults.classroom import Classroom
from tests.faults.matrix import PLACES, Tally, cells, run_matrix
from tests.faults.stack import Stack
from tests.postgres import running_postgresql

SHORT_PLACES = ["P1", "P3", "P4", "P6", "P7", "P9", "P10", "P12"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--short", action="store_true", help="one kill a place and a few faults")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument(
        "--only", nargs="*", help="names of faults, as F-04; none for the matrix alone"
    )
    parser.add_argument("--no-matrix", action="store_true")
    parser.add_argument("--report", type=Path)
    parser.add_argument("--postgresql", action="store_true", help="on a private server of its own")
    options = parser.parse_args()
    if not options.postgresql:
        return run(options, "")
    with running_postgresql() as url:
        return run(options, url)


def run(options: argparse.Namespace, database_url: str) -> int:
    database = "PostgreSQL" if database_url else "SQLite"
    print(f"seed {options.seed}, {database}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="llmlora-faults-"))
    stack = Stack(folder, database_url)
    started = time.monotonic()
    try:
        stack.start()
        room = Classroom(stack)
        digest = undisturbed_digest(room)
        tally = Tally()
        if not options.no_matrix:
            chosen = cells(options.repeats, options.seed)
            if options.short:
                chosen = [
                    cell
                    for cell in cells(1, options.seed, SHORT_PLACES)
                    if cell[1] != "engine" or cell[0] == "P6"
                ]
            tally = run_matrix(room, chosen, digest)
        outcomes = catalogue.run(room, digest, names=options.only, is_short=options.short)
    finally:
        stack.close()
    text = report(tally, outcomes, options.seed, time.monotonic() - started, stack)
    print(text)
    if options.report:
        options.report.write_text(text, encoding="utf-8")
    is_good = (
        not tally.broken and not tally.unfired and all(not found for found in outcomes.values())
    )
    if is_good:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"logs: {folder}")
    return 0 if is_good else 1


def report(
    tally: Tally, outcomes: dict[str, list[str]], seed: int, seconds: float, stack: Stack
) -> str:
    from training.models import TrainingJob

    lost = sum("I-1 " in line for line in tally.broken)
    lines = [
        f"- Seed {seed}, {seconds / 60:.0f} minutes, {TrainingJob.objects.count()} jobs, "
        f"{stack.restart_count} restarts.",
        f"- {tally.kills} kills at {len(PLACES)} places: {lost} jobs lost, "
        f"{sum('I-2 ' in line for line in tally.broken)} wrong or double adapters, "
        f"{sum('I-6 ' in line for line in tally.broken)} orphans, {len(tally.broken)} broken invariants, "
        f"{len(tally.unfired)} cells that did not fire.",
    ]
    if tally.recovery_seconds:
        lines.append(
            f"- From the order to the end of both jobs of a round: median "
            f"{statistics.median(tally.recovery_seconds):.0f} s, longest {max(tally.recovery_seconds):.0f} s."
        )
    lines += [
        f"  - {line}" for line in (*tally.broken, *(f"not fired: {name}" for name in tally.unfired))
    ]
    for name, found in outcomes.items():
        lines.append(f"- {name}: {'held' if not found else 'BROKEN: ' + '; '.join(found)}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
