"""The spine from outside: start, first step, level-1 job, first chat token, speed and memory.

Starts the product with `llmlora up` on an empty home folder, uses it through the REST API as a client would, and
prints one table. Run it with `make bench` on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
LEVEL_1 = ROOT / "courses" / "content" / "level-1" / "train.en.jsonl"
PASSWORD = "benchmark-only-password"
REPEATS = 5
START_LIMIT_SECONDS = 300
JOB_LIMIT_SECONDS = 900


class Product:
    """One running `llmlora up` and a client of its API."""

    def __init__(self, home: Path) -> None:
        self.port = _free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.token = ""
        environment = os.environ | {"LLMLORA_ADMIN_PASSWORD": PASSWORD, "LLMLORA_HOME": str(home)}
        started = time.perf_counter()
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "llmlora_site.cli",
                "up",
                "--no-browser",
                "--port",
                str(self.port),
            ],
            env=environment,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        self._wait_healthy(started)
        self.start_seconds = time.perf_counter() - started

    def _wait_healthy(self, started: float) -> None:
        while time.perf_counter() - started < START_LIMIT_SECONDS:
            if self.process.poll() is not None:
                raise SystemExit("llmlora up ended before it was healthy")
            try:
                if self.call("GET", "/api/health")["status"] == "ok":
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise SystemExit("llmlora up did not become healthy")

    def sign_in(self) -> None:
        answer = self.call(
            "POST",
            "/api/auth/token",
            {"username": "admin", "password": PASSWORD, "name": "benchmark"},
        )
        self.token = answer["token"]

    def call(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(f"{self.address}{path}", method=method)
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        data = None
        if body is not None:
            request.add_header("Content-Type", "application/json")
            data = json.dumps(body).encode()
        with urllib.request.urlopen(request, data, timeout=120) as response:
            return json.load(response)

    def memory_bytes(self) -> dict[str, int]:
        """Resident memory of each process, by its part."""
        sizes: dict[str, int] = {}
        for child in psutil.Process(self.process.pid).children(recursive=True):
            words = " ".join(child.cmdline())
            part = next(
                (
                    name
                    for name in ("web_server", "engine.server", "celery", "redis")
                    if name in words
                ),
                None,
            )
            if part:
                sizes[part] = max(sizes.get(part, 0), child.memory_info().rss)
        return sizes

    def stop(self) -> float:
        started = time.perf_counter()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)
        return time.perf_counter() - started


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run_job(
    product: Product, dataset_id: str, epochs: int, learning_rate: float = 2e-3
) -> dict[str, float]:
    """Submit one level-1 job and time what a client sees."""
    body = {
        "name": "Benchmark",
        "model_name": "smollm2-135m-instruct",
        "dataset_id": dataset_id,
        "lora_config": {"r": 8, "alpha": 16},
        "training_config": {
            "learning_rate": learning_rate,
            "num_epochs": epochs,
            "batch_size": 5,
            "max_length": 256,
        },
    }
    started = time.perf_counter()
    job = product.call("POST", "/api/training/jobs", body)
    seen: dict[str, float] = {}
    while time.perf_counter() - started < JOB_LIMIT_SECONDS:
        state = product.call("GET", f"/api/training/jobs/{job['id']}")
        now = time.perf_counter() - started
        if state["stage"] in ("training", "saving", "done"):
            seen.setdefault("first_step_starts", now)
        if state["current_step"] >= 1:
            seen.setdefault("first_step_done", now)
        if state["status"] not in ("pending", "running"):
            break
        time.sleep(0.02)
    if state["status"] != "completed":
        raise SystemExit(f"job ended as {state['status']}: {state['error_message']}")
    progress = product.call("GET", f"/api/training/jobs/{job['id']}/progress")
    speeds = [
        point["tokens_per_second"]
        for point in progress["metrics"][1:]
        if point["tokens_per_second"]
    ]
    return seen | {
        "whole_job": now,
        "tokens_per_second": statistics.median(speeds) if speeds else 0.0,
        "loss": state["loss"],
        "id": job["id"],
    }


def _chat(product: Product, body: dict[str, Any]) -> dict[str, float]:
    session = product.call("POST", "/api/chat/sessions", body)
    message = {
        "session_id": session["id"],
        "message": "How high is Mount Fuji?",
        "max_tokens": 64,
        "temperature": 0,
    }
    started = time.perf_counter()
    answer = product.call("POST", "/api/chat/generate", message)
    whole = time.perf_counter() - started
    timings = answer["timings"]
    # What the client waited beyond the engine's own time is queue, rows and HTTP; it comes before the first token.
    overhead = max(0.0, whole - timings["duration_seconds"])
    return {
        "first_token": timings["first_token_seconds"] + overhead,
        "engine_first_token": timings["first_token_seconds"],
        "tokens_per_second": timings["tokens_per_second"],
    }


def _median(rows: list[dict[str, float]], name: str) -> float:
    return statistics.median(row[name] for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    repeats = parser.parse_args().repeats
    home = Path(tempfile.mkdtemp(prefix="llmlora-bench-"))
    try:
        _measure(home, repeats)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _measure(home: Path, repeats: int) -> None:
    first = Product(home)
    first.stop()
    product = Product(home)
    rows: list[tuple[str, str]] = [
        ("`up` to healthy, empty home", f"{first.start_seconds:.1f} s"),
        ("`up` to healthy, second time", f"{product.start_seconds:.1f} s"),
    ]
    try:
        product.sign_in()
        data = [json.loads(line) for line in LEVEL_1.read_text(encoding="utf-8").splitlines()]
        dataset = product.call(
            "POST", "/api/datasets", {"name": "Level 1", "type": "instruction", "data": data}
        )
        _run_job(product, dataset["id"], 1)
        warm = [_run_job(product, dataset["id"], 2) for _ in range(repeats)]
        job = _run_job(product, dataset["id"], 15)
        tuned = [_chat(product, {"name": "tuned", "job_id": job["id"]}) for _ in range(repeats)]
        base = [
            _chat(product, {"name": "base", "model_name": "smollm2-135m-instruct"})
            for _ in range(repeats)
        ]
        memory = product.memory_bytes()
    finally:
        stop_seconds = product.stop()
    rows += [
        ("submit to first step begun, warm", f"{_median(warm, 'first_step_starts'):.2f} s"),
        ("submit to first step done, warm", f"{_median(warm, 'first_step_done'):.2f} s"),
        ("level-1 job, 15 epochs", f"{job['whole_job']:.1f} s"),
        ("level-1 job, last loss", f"{job['loss']:.4f}"),
        ("training speed", f"{job['tokens_per_second']:.0f} tokens/s"),
        ("submit to first chat token, tuned", f"{_median(tuned, 'first_token'):.2f} s"),
        ("submit to first chat token, base", f"{_median(base, 'first_token'):.2f} s"),
        ("chat speed, tuned", f"{_median(tuned, 'tokens_per_second'):.1f} tokens/s"),
        ("chat speed, base", f"{_median(base, 'tokens_per_second'):.1f} tokens/s"),
        *(
            (f"memory of {part}", f"{size / 2**20:.0f} MiB")
            for part, size in sorted(memory.items())
        ),
        ("stop", f"{stop_seconds:.1f} s"),
    ]
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, medians of {repeats}\n"
    )
    print("| Measure | Value |\n|---|---|")
    for name, value in rows:
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
