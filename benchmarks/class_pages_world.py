"""A class half through the first course with its jobs, and the time of its pages. Import it after django.setup()."""

from __future__ import annotations

import gc
import random
import statistics
import time
from datetime import timedelta
from typing import Any

from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Cohort, Membership, User
from courses.instructor.tabs import TABS
from courses.models import (
    CheckResult,
    CohortCourse,
    Course,
    Enrolment,
    Evidence,
    ScoreEvent,
    StepProgress,
)
from courses.selectors.content import content_of, newest_version
from datasets_app.services.creating import create_dataset
from engine.config import LoraHyperparameters, TrainingHyperparameters
from modelhub.models import BaseModel
from training.models import MetricPoint, TrainingJob

TRIES = 20


def make_class(students: int, jobs: int) -> tuple[Any, Any]:
    """People half through the first course, and their jobs with numbers as a worker writes them."""
    leader = User.objects.create_user(f"leader-{students}")
    cohort = Cohort.objects.create(name=f"Class of {students}")
    people = User.objects.bulk_create(
        User(username=f"student-{students}-{number}", display_name=f"Student {number}")
        for number in range(students)
    )
    Membership.objects.create(cohort=cohort, user=leader, role="instructor")
    Membership.objects.bulk_create(Membership(cohort=cohort, user=person) for person in people)
    course = Course.objects.get(slug="level-1")
    version = newest_version(course)
    CohortCourse.objects.create(cohort=cohort, course=course, version=version)
    _make_progress(cohort, course, version, people)
    _make_jobs(cohort, people, jobs)
    return cohort, leader


def _make_progress(cohort: Any, course: Any, version: Any, people: list[Any]) -> None:
    chance, now = random.Random(len(people)), timezone.now()
    steps = content_of(version.pk).steps
    enrolments = Enrolment.objects.bulk_create(
        Enrolment(user=person, course=course, version=version, cohort=cohort) for person in people
    )
    progress, results, evidence, scores = [], [], [], []
    for enrolment in enrolments:
        reached = chance.randint(1, len(steps))
        for number, step in enumerate(steps[:reached], start=1):
            is_done = number < reached
            opened = now - timedelta(minutes=3 * (reached - number) + chance.random())
            stored = {
                check.key: {
                    "outcome": "pass" if is_done else "fail",
                    "reason": "" if is_done else "read_too_short",
                    "observed": {"seconds": 3},
                    "wanted": {"seconds": 20},
                }
                for check in step.checks
            }
            progress.append(
                StepProgress(
                    enrolment=enrolment,
                    step_key=step.key,
                    state="passed" if is_done else "working",
                    checks=stored,
                    tries=chance.randint(0, 5),
                    fails_in_row=chance.randint(0, 4),
                    active_seconds=chance.randint(20, 400),
                    first_opened_at=opened,
                    last_seen_at=opened + timedelta(minutes=2),
                    passed_at=opened + timedelta(minutes=2) if is_done else None,
                )
            )
            for key, found in stored.items():
                results.append(
                    CheckResult(enrolment=enrolment, step_key=step.key, check_key=key, **found)
                )
                if is_done:
                    evidence.append(
                        Evidence(
                            enrolment=enrolment,
                            step_key=step.key,
                            check_key=key,
                            kind="page",
                            subject_id=str(enrolment.pk),
                        )
                    )
            if is_done:
                scores.append(
                    ScoreEvent(
                        enrolment=enrolment,
                        step_key=step.key,
                        kind="auto",
                        points=step.weight,
                        max_points=step.weight,
                    )
                )
    for model, rows in (
        (StepProgress, progress),
        (CheckResult, results),
        (Evidence, evidence),
        (ScoreEvent, scores),
    ):
        model.objects.bulk_create(rows, batch_size=500)


def _make_jobs(cohort: Any, people: list[Any], count: int) -> None:
    chance, now = random.Random(count), timezone.now()
    records = [{"instruction": f"Bed {n}?", "output": f"Beans {n}."} for n in range(6)]
    version = create_dataset(people[0], name="Garden", records=records).latest
    base = BaseModel.objects.filter(source="bundled").first() or BaseModel.objects.first()
    jobs = TrainingJob.objects.bulk_create(
        [
            TrainingJob(
                owner=people[number % len(people)],
                cohort=cohort,
                name=f"Job {number}",
                base_model=base,
                dataset_version=version,
                lora_config=LoraHyperparameters().to_dict() | {"r": chance.choice([2, 4, 8, 16])},
                training_config=TrainingHyperparameters().to_dict()
                | {"learning_rate": chance.choice([1e-4, 1e-3, 2e-3])},
                status="failed" if number % 20 == 0 else "completed",
                error_code="out_of_memory" if number % 20 == 0 else "",
                current_step=15,
                total_steps=15,
                loss=chance.uniform(0.1, 2),
                baseline_loss=3.0,
                eval_loss=chance.uniform(1, 3),
                started_at=now,
                completed_at=now,
                queued_at=now,
            )
            for number in range(count)
        ],
        batch_size=500,
    )
    MetricPoint.objects.bulk_create(
        (
            MetricPoint(
                job=job,
                attempt=1,
                step=step,
                epoch=step / 5,
                loss=3 / step,
                eval_loss=2.5 / step if step % 5 == 0 else None,
                learning_rate=1e-3,
                grad_norm=1.0,
                tokens_per_second=100.0,
                recorded_at=now,
            )
            for job in jobs[:: max(1, count // 500)]
            for step in range(1, 16)
        ),
        batch_size=500,
    )


class _Counter:
    """Of the queries that a request makes; Django's own log of them is cleared when a request begins."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001
        self.count += 1
        return execute(sql, params, many, context)


def time_pages(cohort: Any, leader: Any) -> dict[str, dict[str, Any]]:
    client = Client(HTTP_HOST="localhost")
    client.force_login(leader, backend="allauth.account.auth_backends.AuthenticationBackend")
    # A server has not built what was built here, so its collector of garbage does not walk it.
    gc.collect()
    gc.freeze()
    found = {}
    for tab in TABS:
        address = reverse(f"classroom:{tab.key}", args=[cohort.pk])
        assert client.get(address).status_code == 200, address
        queries = _Counter()
        with connection.execute_wrapper(queries):
            size = len(client.get(address).content)
        seconds = []
        for _ in range(TRIES):
            began = time.perf_counter()
            client.get(address)
            seconds.append(time.perf_counter() - began)
        found[tab.key] = {
            "p50_seconds": round(statistics.median(seconds), 4),
            "p95_seconds": round(statistics.quantiles(seconds, n=20)[-1], 4),
            "queries": queries.count,
            "bytes": size,
        }
        print(f"{cohort}: {tab.key}: {found[tab.key]}", flush=True)
    return found
