"""What needs Django or the engine, each step in a process of its own, so that the clients' process stays small.

`python -m benchmarks.load.rows STEP ...`, with LLMLORA_HOME set to the home of the running product.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
COHORT = "Load test"
EXAMPLES = 24
TINY_MODEL = "tiny"


def run_step(name: str, *arguments: str) -> Any:
    """What the step printed, as JSON.

    Raises:
        SystemExit: it failed.
    """
    command = [sys.executable, "-m", "benchmarks.load.rows", name, *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise SystemExit(f"benchmarks.load.rows {name} ended with {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def make_model() -> dict[str, Any]:
    """A model of two narrow layers in the home's folder of local models; `up` offers it."""
    from engine.tests.factories import make_tiny_base_model  # noqa: PLC0415
    from llmlora_site.home import Home  # noqa: PLC0415

    home = Home.from_environment()
    home.create()
    make_tiny_base_model(home.local_models / TINY_MODEL)
    return {}


def seed(count: int, password: str) -> dict[str, Any]:
    """A class of students, each with a dataset, and what the lesson has to know of the product."""
    from django.conf import settings  # noqa: PLC0415
    from django.contrib.auth.hashers import make_password  # noqa: PLC0415

    from accounts.models import Cohort, Membership, User  # noqa: PLC0415
    from datasets_app.services.creating import create_dataset  # noqa: PLC0415

    cohort = Cohort.objects.create(name=COHORT)
    # The same salt for all saves the seconds that each hash takes on purpose; signing in takes them all the same.
    hashed = make_password(password)
    seats = []
    for number in range(1, count + 1):
        name = f"student-{number:02d}"
        user = User.objects.create(username=name, email=f"{name}@example.org", password=hashed)
        Membership.objects.create(cohort=cohort, user=user)
        dataset = create_dataset(user, name=f"Garden {number}", records=_records(number))
        seats.append({"username": name, "dataset_id": str(dataset.pk)})
    return {
        "seats": seats,
        "queue_page": _queue_page(),
        "jobs_per_device": settings.JOBS_PER_DEVICE,
    }


def _records(number: int) -> list[dict[str, str]]:
    return [
        {
            "instruction": f"Who waters bed {bed} of garden {number}?",
            "output": f"Class {bed % 6 + 1}B waters bed {bed} before lunch.",
        }
        for bed in range(1, EXAMPLES + 1)
    ]


def read() -> dict[str, Any]:
    """Every job as the database has it, and when each of its events was written."""
    from training.models import TrainingEvent, TrainingJob  # noqa: PLC0415

    jobs = TrainingJob.objects.select_related("owner", "adapter")
    moments: dict[str, dict[int, float]] = {}
    for job_id, seq, created_at in TrainingEvent.objects.values_list("job_id", "seq", "created_at"):
        moments.setdefault(str(job_id), {})[seq] = created_at.timestamp()
    return {
        "jobs": [
            {
                "id": str(job.pk),
                "owner": job.owner.username,
                "status": job.status,
                "error_code": job.error_code,
                "attempt": job.attempt,
                "steps": job.current_step,
                "event_seq": job.event_seq,
                "has_adapter": hasattr(job, "adapter"),
                "queue_seconds": _seconds(job.created_at, job.started_at),
                "run_seconds": _seconds(job.started_at, job.completed_at),
            }
            for job in jobs
        ],
        "events": moments,
    }


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else (end - start).total_seconds()


def _queue_page() -> str:
    from django.urls import NoReverseMatch, reverse  # noqa: PLC0415

    try:
        return reverse("training:queue")
    except NoReverseMatch:
        return ""


def main(arguments: list[str]) -> None:
    name, *options = arguments
    if name == "model":
        answer: Any = make_model()
    else:
        os.environ["DJANGO_SETTINGS_MODULE"] = "llmlora_site.settings"
        import django  # noqa: PLC0415

        django.setup()
        answer = read() if name == "read" else seed(int(options[0]), options[1])
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1:])
