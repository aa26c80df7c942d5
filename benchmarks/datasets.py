"""Reading uploads: rows a second and memory of the process that reads and judges them, and of a whole import.

Beside it stands `datasets.load_dataset("json", ...)` in a fresh process, which parses the same file and judges nothing.
Run it on an idle machine: `python -m benchmarks datasets`; a million rows need six gigabytes of disk and ten minutes.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
SCRATCH = ROOT / ".make" / "benchmarks"
"""Of runs over a part only: they replace no published result."""

SIZES = (1_000, 10_000, 100_000, 1_000_000)
SMALL_ROWS = 100_000
"""Up to here a number is the median of REPEATS runs."""

REPEATS = 3
MEMORY_LIMIT_BYTES = 300 * 1024 * 1024
"""What neither the process of an import nor the one that reads for it may reach."""

_POLL_SECONDS = 0.02
_MIB = 2**20
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024

# A process starts with the peak of the one that started it, so a small one is in between.
_LAUNCHER = """
import json, os, sys, time
started = time.perf_counter()
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
status, usage = os.wait4(process, 0)[1:]
measured = {"status": os.waitstatus_to_exitcode(status), "seconds": time.perf_counter() - started,
            "processor_seconds": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss}
print(json.dumps(measured), file=sys.stderr)
"""

ENGLISH = (
    "the garden gate opens before lessons begin and every class waters one bed after lunch while teachers write "
    "a short note about leaves roots rain light soil seeds and the small river behind our school where pupils "
    "measure how deep clear cold or quick its water runs on a windy morning in early spring"
)
ENGLISH_WORDS = ENGLISH.split()
JAPANESE_SENTENCES = (
    "校庭の花壇に水をやります。",
    "当番は毎朝八時に集まります。",
    "図書室では静かに本を読みましょう。",
    "実験の前に手順をもう一度確かめてください。",
    "川の深さと水の温度を測って表に書きました。",
    "給食のあとで教室をきれいに掃除します。",
    "友だちの考えを聞いてから自分の意見を話します。",
    "葉の形と根の長さをくらべて気づいたことを発表しました。",
)


def write_rows(path: Path, count: int) -> None:
    """Instruction records of about a kilobyte, two in English to one in Japanese, no two of them alike."""
    dice = random.Random(count)
    with path.open("w", encoding="utf-8") as sink:
        for number in range(count):
            row = _japanese_row(dice, number) if number % 3 == 2 else english_row(dice, number)
            sink.write(json.dumps(row, ensure_ascii=False) + "\n")


def english_row(dice: random.Random, number: int) -> dict[str, str]:
    question = " ".join(dice.choices(ENGLISH_WORDS, k=12))
    answer = " ".join(dice.choices(ENGLISH_WORDS, k=dice.randint(60, 240)))
    return {
        "instruction": f"Explain note {number}: {question}?",
        "input": "",
        "output": f"{answer}.",
    }


def _japanese_row(dice: random.Random, number: int) -> dict[str, str]:
    answer = "".join(dice.choices(JAPANESE_SENTENCES, k=dice.randint(8, 24)))
    return {
        "instruction": f"記録{number}について説明してください。{dice.choice(JAPANESE_SENTENCES)}",
        "input": dice.choice(JAPANESE_SENTENCES),
        "output": answer,
    }


class Run:
    """What one process took.

    Attributes:
        seconds: on the clock; of the work alone where the process tells it, else from its start to its end.
        peak_bytes: the most memory it had at once.
        told: what it printed, as JSON.
    """

    def __init__(self, measured: dict[str, Any], output: str) -> None:
        lines = output.splitlines()
        self.told: dict[str, Any] = json.loads(lines[-1]) if lines and lines[-1][:1] == "{" else {}
        self.seconds = float(self.told.get("seconds", measured["seconds"]))
        self.processor_seconds = float(measured["processor_seconds"])
        self.peak_bytes = int(measured["peak"]) * _RSS_UNIT


def run_measured(command: list[str], environment: dict[str, str]) -> Run:
    """Run a command to its end.

    Raises:
        SystemExit: it failed.
    """
    launcher = [sys.executable, "-S", "-E", "-c", _LAUNCHER, *command]
    done = subprocess.run(
        launcher, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    measured = json.loads(done.stderr.splitlines()[-1])
    if measured["status"] != 0:
        raise SystemExit(
            f"{' '.join(command[1:4])} ended with {measured['status']}:\n{done.stderr}"
        )
    return Run(measured, done.stdout)


def judge(path: Path, folder: Path) -> Run:
    """Read a file as a worker does, with the same limits."""
    from datasets_app import checking  # noqa: PLC0415
    from datasets_app.intake.child import order_as_dict  # noqa: PLC0415
    from datasets_app.intake.limits import Limits  # noqa: PLC0415
    from datasets_app.intake.pipeline import Order  # noqa: PLC0415

    limits = Limits(unpacked_bytes=2**30, records=max(SIZES))
    outcome, draft = folder / "outcome.json", folder / "draft.jsonl"
    task = {
        "path": str(path),
        "draft": str(draft),
        "outcome": str(outcome),
        "order": order_as_dict(Order(limits, file_name=path.name)),
        "cpu_seconds": checking.WORKER_SECONDS,
        "memory_bytes": checking.MEMORY_BYTES,
        "disk_bytes": 2 * limits.unpacked_bytes,
    }
    order = folder / "order.json"
    order.write_text(json.dumps(task), encoding="utf-8")
    command = [sys.executable, "-P", "-m", "datasets_app.intake.child", str(order)]
    done = run_measured(command, {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"})
    done.told = json.loads(outcome.read_text(encoding="utf-8"))
    draft.unlink()
    return done


def parse_plainly(path: Path, folder: Path) -> Run:
    """Read a file with the `datasets` library, without what it kept of an earlier run."""
    cache = Path(tempfile.mkdtemp(dir=folder))
    environment = os.environ | {
        "HF_HOME": str(cache),
        "HF_DATASETS_OFFLINE": "1",
        "HF_HUB_OFFLINE": "1",
    }
    try:
        return run_measured(_step("parse", path), environment)
    finally:
        shutil.rmtree(cache)


def import_whole(path: Path, folder: Path) -> Run:
    """Bring a file through the services, in a home of its own."""
    home = folder / "home"
    environment = os.environ | {"LLMLORA_HOME": str(home), "TMPDIR": str(folder)}
    for name in ("DATABASE_URL", "REDIS_URL"):
        environment.pop(name, None)
    try:
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(migrate, env=environment, cwd=ROOT, check=True)
        return run_measured(_step("import", path), environment)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _step(name: str, path: Path) -> list[str]:
    return [sys.executable, "-m", "benchmarks.datasets", "--step", name, str(path)]


def parse_step(path: Path) -> dict[str, Any]:
    """In a process of its own: what `datasets` does with the file."""
    from datasets import load_dataset  # noqa: PLC0415

    started = time.perf_counter()
    rows = load_dataset("json", data_files=str(path), split="train")
    return {"seconds": time.perf_counter() - started, "accepted": len(rows)}


def import_step(path: Path) -> dict[str, Any]:
    """In a process of its own: the file is received, waits as an import, and becomes a dataset."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "llmlora_site.settings"
    import django  # noqa: PLC0415

    django.setup()
    from django.core.files.uploadedfile import TemporaryUploadedFile  # noqa: PLC0415

    from accounts.models import User  # noqa: PLC0415
    from datasets_app.execution import run_import  # noqa: PLC0415
    from datasets_app.models import Dataset  # noqa: PLC0415
    from datasets_app.services.bringing import bring_file  # noqa: PLC0415

    owner = User.objects.create_user("benchmark", "benchmark@example.org", None)
    with (
        _peak_of_children() as peak,
        TemporaryUploadedFile(path.name, "", path.stat().st_size, None) as file,
    ):
        with path.open("rb") as source:
            shutil.copyfileobj(source, file.file, _MIB)
        file.flush()
        started = time.perf_counter()
        made = bring_file(owner, file=file)
        brought = time.perf_counter() - started
        if not isinstance(made, Dataset):
            run_import(made.pk)
    version = Dataset.objects.get(owner=owner).latest
    return {
        "seconds": time.perf_counter() - started,
        "request_seconds": brought,
        "accepted": version.example_count,
        "own_peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT,
        "reader_peak_bytes": peak(),
    }


@contextmanager
def _peak_of_children() -> Iterator[Callable[[], int]]:
    """The most memory that any child process had since its own start."""
    import psutil  # noqa: PLC0415

    peak = 0
    is_over = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not is_over.wait(_POLL_SECONDS):
            for child in psutil.Process().children():
                peak = max(peak, _high_water_bytes(child.pid))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    yield lambda: peak
    is_over.set()
    watcher.join()


def _high_water_bytes(process: int) -> int:
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    kilobytes = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(kilobytes[0]) * 1024 if kilobytes else 0


def _measure_size(count: int, path: Path, folder: Path) -> dict[str, Any]:
    repeats = REPEATS if count <= SMALL_ROWS else 1
    ours = [judge(path, folder) for _ in range(repeats)]
    theirs = [parse_plainly(path, folder) for _ in range(repeats)]
    accepted = ours[0].told["accepted"]
    if not accepted == theirs[0].told["accepted"] == count:
        raise SystemExit(f"of {count} rows, {accepted} were accepted")
    return {
        "rows": count,
        "file_bytes": path.stat().st_size,
        "repeats": repeats,
        "judged": _median_of(ours, count),
        "parsed": _median_of(theirs, count),
    }


def _median_of(runs: list[Run], count: int) -> dict[str, Any]:
    seconds = statistics.median(run.seconds for run in runs)
    return {
        "seconds": seconds,
        "all_seconds": [run.seconds for run in runs],
        "processor_seconds": statistics.median(run.processor_seconds for run in runs),
        "rows_per_second": count / seconds,
        "peak_bytes": max(run.peak_bytes for run in runs),
    }


def measure(largest: int, folder: Path) -> dict[str, Any]:
    """Everything, told on stdout as it comes."""
    report = _machine() | {"sizes": [], "largest": largest}
    for count in [size for size in SIZES if size < largest] + [largest]:
        path = folder / f"{count}.jsonl"
        write_rows(path, count)
        report["sizes"].append(_measure_size(count, path, folder))
        print(_size_line(report["sizes"][-1]), flush=True)
        if count == largest:
            report["import"] = import_whole(path, folder).told
        path.unlink()
    peaks = (report["import"]["own_peak_bytes"], report["import"]["reader_peak_bytes"])
    if max(peaks) > MEMORY_LIMIT_BYTES:
        raise SystemExit(f"an import took {max(peaks) / _MIB:.0f} MiB")
    return report


def _machine() -> dict[str, Any]:
    return {
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "datasets": metadata.version("datasets"),
        "pyarrow": metadata.version("pyarrow"),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def to_markdown(report: dict[str, Any]) -> str:
    """The two tables, and what they were measured on."""
    done = report["import"]
    lines = [
        f"{report['processor']}, {report['cores']} cores, Python {report['python']}, "
        f"datasets {report['datasets']}, {report['date']}; load before the start {report['load']:.2f}.",
        "",
        "Rows of JSON lines, read and judged by the reading process from its start to its end, beside "
        '`load_dataset("json", ...)`, which judges nothing and whose start is not counted. '
        f"Medians of {REPEATS} up to {SMALL_ROWS:,} rows, one run beyond.",
        "",
        "| Rows | File | Judged | Rows/s | Peak memory | Parsed by `datasets` | Rows/s | Peak memory |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
        *map(_size_line, report["sizes"]),
        "",
        "The largest file through the services, from the received upload to the stored dataset.",
        "",
        "| Measure | Value |",
        "|---|---:|",
        f"| rows | {done['accepted']:,} |",
        f"| until the request is answered | {done['request_seconds']:.1f} s |",
        f"| until the dataset stands | {done['seconds']:.1f} s |",
        f"| peak memory of the process that imports | {done['own_peak_bytes'] / _MIB:.0f} MiB |",
        f"| peak memory of the process that reads | {done['reader_peak_bytes'] / _MIB:.0f} MiB |",
    ]
    return "\n".join(lines) + "\n"


def _size_line(size: dict[str, Any]) -> str:
    cells = [f"{size['rows']:,}", f"{size['file_bytes'] / _MIB:.1f} MiB"]
    for name in ("judged", "parsed"):
        side = size[name]
        cells += [
            f"{side['seconds']:.2f} s",
            f"{side['rows_per_second']:,.0f}",
            f"{side['peak_bytes'] / _MIB:.0f} MiB",
        ]
    return f"| {' | '.join(cells)} |"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks datasets", description=__doc__)
    parser.add_argument("--largest", type=int, default=max(SIZES), metavar="ROWS")
    parser.add_argument("--step", nargs=2, metavar=("NAME", "PATH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        name, path = options.step
        print(json.dumps({"parse": parse_step, "import": import_step}[name](Path(path))))
        return 0
    with tempfile.TemporaryDirectory(prefix="llmlora-bench-") as folder:
        report = measure(options.largest, Path(folder))
    results = RESULTS if options.largest == max(SIZES) else SCRATCH
    results.mkdir(parents=True, exist_ok=True)
    markdown = to_markdown(report)
    (results / "datasets.md").write_text(markdown, encoding="utf-8")
    (results / "datasets.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"\n{markdown}\nWritten to {results.relative_to(ROOT)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
