"""From what was measured to figures, verdicts and the two published files."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from benchmarks.load.browser import STATIC, Answer
from benchmarks.load.students import Seat

HTTP_LIMIT_SECONDS = 0.3
EVENT_LIMIT_SECONDS = 0.5
_MIB = 2**20


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of them does not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)] if ordered else 0.0


def http_figures(answers: Sequence[Answer]) -> dict[str, Any]:
    """Times of all pages and API calls together, and of each; of the static files apart."""
    pages = sorted({answer.page for answer in answers})
    return {
        "all": _times([answer for answer in answers if answer.page != STATIC]),
        "pages": {name: _times([one for one in answers if one.page == name]) for name in pages},
        "server_errors": sum(answer.status >= 500 for answer in answers),
        "no_answer": sum(answer.status == 0 for answer in answers),
        "refused": _counts([answer for answer in answers if 400 <= answer.status < 500]),
    }


def _times(answers: Sequence[Answer]) -> dict[str, Any]:
    seconds = [answer.seconds for answer in answers]
    return {
        "count": len(seconds),
        "p50": percentile(seconds, 50),
        "p95": percentile(seconds, 95),
        "p99": percentile(seconds, 99),
        "worst": max(seconds, default=0.0),
    }


def _counts(answers: Sequence[Answer]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for answer in answers:
        key = f"{answer.status} {answer.page}"
        counts[key] = counts.get(key, 0) + 1
    return counts


def event_figures(seats: Sequence[Seat], events: dict[str, dict[str, float]]) -> dict[str, Any]:
    """From an event's row to its arrival, of the events that came live."""
    seconds = [
        moment - events[seat.job_id][str(seq)]
        for seat in seats
        if seat.job_id in events
        for seq, moment in seat.rebuilt.received.items()
    ]
    return {
        "count": len(seconds),
        "p50": percentile(seconds, 50),
        "p95": percentile(seconds, 95),
        "p99": percentile(seconds, 99),
        "worst": max(seconds, default=0.0),
        "gaps": sum(seat.rebuilt.gaps for seat in seats),
        "repeats": sum(seat.rebuilt.repeats for seat in seats),
        "silent_sockets": sum(seat.silent_sockets for seat in seats),
        "differences": {seat.username: seat.difference for seat in seats if seat.difference},
    }


def job_figures(
    seats: Sequence[Seat], jobs: Sequence[dict[str, Any]], events: dict[str, dict[str, float]]
) -> dict[str, Any]:
    """Lost: accepted, but not completed with an adapter. Doubled: a second job, or one that nobody was told of."""
    accepted = {seat.job_id for seat in seats if seat.job_id}
    completed = {job["id"] for job in jobs if job["status"] == "completed" and job["has_adapter"]}
    sparse = [
        job["id"]
        for job in jobs
        if sorted(map(int, events.get(job["id"], {}))) != list(range(1, job["event_seq"] + 1))
    ]
    waits = [job["queue_seconds"] for job in jobs if job["queue_seconds"] is not None]
    runs = [job["run_seconds"] for job in jobs if job["run_seconds"] is not None]
    return {
        "accepted": len(accepted),
        "completed": len(accepted & completed),
        "lost": sorted(accepted - completed),
        "doubled": len(jobs) - len(accepted),
        "sparse_events": sparse,
        "second_attempts": sum(job["attempt"] > 1 for job in jobs),
        "failures": {job["id"]: job["error_code"] for job in jobs if job["error_code"]},
        "median_wait_seconds": statistics.median(waits) if waits else 0.0,
        "longest_wait_seconds": max(waits, default=0.0),
        "median_run_seconds": statistics.median(runs) if runs else 0.0,
        "steps": sum(job["steps"] for job in jobs),
    }


def verdicts(report: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Of each goal: its words, what was measured, whether it is met."""
    http, events, jobs = report["http"], report["events"], report["jobs"]
    differing = (
        len(events["differences"])
        + events["gaps"]
        + events["silent_sockets"]
        + len(jobs["sparse_events"])
    )
    return [
        (
            f"HTTP p95 at most {HTTP_LIMIT_SECONDS * 1000:.0f} ms",
            f"{http['all']['p95'] * 1000:.0f} ms",
            http["all"]["count"] > 0 and http["all"]["p95"] <= HTTP_LIMIT_SECONDS,
        ),
        (
            f"event p95 at most {EVENT_LIMIT_SECONDS * 1000:.0f} ms",
            f"{events['p95'] * 1000:.0f} ms",
            events["count"] > 0 and events["p95"] <= EVENT_LIMIT_SECONDS,
        ),
        (
            "no job lost, none doubled",
            f"{len(jobs['lost'])} of {jobs['accepted']} lost, {jobs['doubled']} doubled",
            jobs["accepted"] == report["students"] and not jobs["lost"] and not jobs["doubled"],
        ),
        (
            "no 5xx and no request without an answer",
            f"{http['server_errors']} and {http['no_answer']}",
            http["server_errors"] + http["no_answer"] == 0,
        ),
        (
            "every socket tells the end, its events are dense and end in the state of a fresh load",
            f"{differing} do not",
            differing == 0,
        ),
    ]


def to_markdown(report: dict[str, Any]) -> str:
    """What it was measured on, the verdicts, and the tables behind them."""
    return "\n".join(
        [
            *_introduction(report),
            "",
            "| Goal | Measured | Met |",
            "|---|---:|---|",
            *(
                f"| {goal} | {value} | {'yes' if is_met else 'no'} |"
                for goal, value, is_met in verdicts(report)
            ),
            "",
            "| Request | Count | p50 | p95 | p99 | Worst |",
            "|---|---:|---:|---:|---:|---:|",
            _http_line("**all but static files**", report["http"]["all"]),
            *(_http_line(name, times) for name, times in report["http"]["pages"].items()),
            "",
            *_other_lines(report),
            "",
            "| Process | Processor time | Memory at first | Peak | At last |",
            "|---|---:|---:|---:|---:|",
            *_process_lines(report["processes"]),
            "",
        ]
    )


def _introduction(report: dict[str, Any]) -> list[str]:
    machine, lesson = report["machine"], report["lesson"]
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}, {machine['date']}; "
        f"load before the start {machine['load']:.2f}. {report['students']} students, base model {report['model']}, "
        f"{report['jobs_per_device']} jobs held by the worker, SQLite, private Redis.",
        "",
        f"They sign in over {lesson['arrival_seconds']:.0f} s, start one job each over the next "
        f"{lesson['start_seconds']:.0f} s and browse for {lesson['browse_seconds']:.0f} s more, with 2 to 6 s between "
        "two pages and two sockets each until the job is over. The clients run on the same cores.",
    ]
    if report["note"]:
        lines += ["", report["note"]]
    return lines


def _http_line(name: str, times: dict[str, Any]) -> str:
    cells = [f"{times[part] * 1000:.0f} ms" for part in ("p50", "p95", "p99", "worst")]
    return f"| {name} | {times['count']} | {' | '.join(cells)} |"


def _other_lines(report: dict[str, Any]) -> list[str]:
    events, jobs, sockets, clients = (
        report["events"],
        report["jobs"],
        report["sockets"],
        report["clients"],
    )
    rows = [
        ("events that came live", f"{events['count']}"),
        (
            "from an event's row to its socket, p50 / p95 / p99 / worst",
            " / ".join(f"{events[part] * 1000:.0f} ms" for part in ("p50", "p95", "p99", "worst")),
        ),
        (
            "sockets open at once, most / mean",
            f"{sockets['most_open']} / {sockets['mean_open']:.0f}",
        ),
        ("socket messages", f"{sockets['messages']}, {sockets['received_bytes'] / _MIB:.1f} MiB"),
        ("close codes of sockets", _pairs(sockets["closes"])),
        ("requests refused (4xx)", _pairs(report["http"]["refused"]) or "none"),
        ("jobs accepted / completed", f"{jobs['accepted']} / {jobs['completed']}"),
        (
            "wait in the queue, median / longest",
            f"{jobs['median_wait_seconds']:.0f} s / {jobs['longest_wait_seconds']:.0f} s",
        ),
        ("run of a job, median", f"{jobs['median_run_seconds']:.1f} s"),
        ("steps trained", f"{jobs['steps']}"),
        ("delay of the clients' own loop, p95 / worst", _milliseconds(clients["loop_delay"])),
        ("cores busy with something else", f"{report['machine']['other_cores']:.2f}"),
    ]
    return ["| Measure | Value |", "|---|---:|", *(f"| {name} | {value} |" for name, value in rows)]


def _pairs(counts: dict[Any, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()))


def _milliseconds(pair: Sequence[float]) -> str:
    return " / ".join(f"{value * 1000:.0f} ms" for value in pair)


def _process_lines(processes: dict[str, Any]) -> list[str]:
    lines = []
    for name, part in processes["parts"].items():
        memory = [size / _MIB for size in part["memory"]]
        share = part["processor_seconds"] / processes["wall_seconds"]
        lines.append(
            f"| {name} | {part['processor_seconds']:.0f} s ({share:.0%} of a core) | "
            f"{memory[0]:.0f} MiB | {max(memory):.0f} MiB | {memory[-1]:.0f} MiB |"
        )
    return lines
