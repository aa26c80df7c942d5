"""The queue over real rows: what selection reads, that it agrees with what is shown, and that its cost is constant."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import ClassWindow, Cohort, ComputePolicy, User
from modelhub.models import Worker
from training import lifecycle
from training.models import DeviceUsage, TrainingJob
from training.queue.policy import Reason
from training.queue.reading import next_midnight, read_line
from training.queue.selection import may_start, next_job_id
from training.queue.standing import queue_standings, standing_of
from training.tests.factories import (
    make_base_model,
    make_completed_job,
    make_dataset_version,
    make_person,
    make_running_job,
    make_training_job,
)

pytestmark = pytest.mark.django_db


def make_worker(name: str = "test-worker", **fields: Any) -> Worker:
    values: dict[str, Any] = {"state": Worker.State.READY, "device": "cpu"} | fields
    return Worker.objects.create(name=name, heartbeat_at=timezone.now(), **values)


def use_device(user: User, seconds: float, *, days_ago: int = 0, cohort: Any = None) -> None:
    day = (timezone.now() - timedelta(days=days_ago)).date()
    DeviceUsage.objects.create(user=user, cohort=cohort, day=day, seconds=seconds)


@pytest.fixture
def two_jobs(student: User, other_student: User) -> tuple[TrainingJob, TrainingJob]:
    """The student's job is the older one."""
    older = make_training_job(student, queued_at=timezone.now() - timedelta(seconds=60))
    return older, make_training_job(other_student, queued_at=timezone.now())


# --- who is next ----------------------------------------------------------------------------------


def test_the_older_job_is_next_until_its_owner_has_used_more(
    two_jobs: tuple[TrainingJob, TrainingJob], student: User
) -> None:
    older, younger = two_jobs
    assert next_job_id("test-worker") == older.pk
    use_device(student, 300.0)
    assert next_job_id("test-worker") == younger.pk


def test_what_was_used_long_ago_is_forgotten(
    two_jobs: tuple[TrainingJob, TrainingJob], student: User, settings: LazySettings
) -> None:
    use_device(student, 300.0, days_ago=settings.USAGE_DAYS)
    assert next_job_id("test-worker") == two_jobs[0].pk
    use_device(student, 300.0, days_ago=settings.USAGE_DAYS - 1)
    assert next_job_id("test-worker") == two_jobs[1].pk


def test_deleting_jobs_wins_no_place(
    two_jobs: tuple[TrainingJob, TrainingJob], student: User
) -> None:
    done = make_completed_job(student, dataset_version=two_jobs[0].dataset_version)
    TrainingJob.objects.filter(pk=done.pk).update(started_at=timezone.now() - timedelta(hours=1))
    use_device(student, 300.0)
    done.delete()
    assert next_job_id("test-worker") == two_jobs[1].pk


def test_a_person_whose_job_runs_waits_with_the_next_one(student: User) -> None:
    make_worker()
    running, lease = make_running_job(student)
    waiting = make_training_job(student, dataset_version=running.dataset_version)
    assert next_job_id("test-worker") is None
    assert standing_of(waiting).reason == Reason.OWN_JOB_RUNNING
    lifecycle.fail(lease, "internal")
    assert next_job_id("test-worker") == waiting.pk


def test_a_class_may_allow_more_at_once(student: User) -> None:
    cohort = Cohort.objects.create(name="Wide")
    ComputePolicy.objects.create(cohort=cohort, max_running_jobs=2)
    running, _lease = make_running_job(student, cohort=cohort)
    waiting = make_training_job(student, cohort=cohort, dataset_version=running.dataset_version)
    assert next_job_id("test-worker") == waiting.pk


def test_the_installation_may_allow_more_at_once(student: User, settings: LazySettings) -> None:
    settings.MAX_RUNNING_JOBS_PER_PERSON = 2
    running, _lease = make_running_job(student)
    waiting = make_training_job(student, dataset_version=running.dataset_version)
    assert next_job_id("test-worker") == waiting.pk


def test_an_open_window_goes_first_and_a_closed_one_changes_nothing(
    two_jobs: tuple[TrainingJob, TrainingJob],
) -> None:
    older, younger = two_jobs
    cohort = Cohort.objects.create(name="Lesson")
    TrainingJob.objects.filter(pk=younger.pk).update(cohort=cohort)
    now = timezone.now()
    window = ClassWindow.objects.create(
        cohort=cohort, starts_at=now - timedelta(hours=2), ends_at=now - timedelta(hours=1)
    )
    assert next_job_id("test-worker") == older.pk
    window.ends_at = now + timedelta(hours=1)
    window.save()
    assert next_job_id("test-worker") == younger.pk
    # Nothing is kept idle for a class that has nothing to do.
    lifecycle.request_cancel(younger.pk)
    assert next_job_id("test-worker") == older.pk


def test_held_paused_early_and_moved_jobs(
    two_jobs: tuple[TrainingJob, TrainingJob],
) -> None:
    older, younger = two_jobs
    rows = TrainingJob.objects.filter(pk=older.pk)
    rows.update(held_at=timezone.now())
    assert next_job_id("test-worker") == younger.pk
    rows.update(held_at=None, not_before=timezone.now() + timedelta(seconds=30))
    assert next_job_id("test-worker") == younger.pk
    rows.update(not_before=timezone.now())
    assert next_job_id("test-worker") == older.pk
    rows.update(priority=-1)
    assert next_job_id("test-worker") == younger.pk
    cohort = Cohort.objects.create(name="Off")
    ComputePolicy.objects.create(cohort=cohort, is_paused=True)
    TrainingJob.objects.filter(pk=younger.pk).update(cohort=cohort)
    assert next_job_id("test-worker") == older.pk


def test_todays_device_time_is_counted_by_class_and_day(student: User) -> None:
    make_worker()
    cohort, other = Cohort.objects.create(name="Class"), Cohort.objects.create(name="Other")
    ComputePolicy.objects.create(cohort=cohort, max_device_seconds=600)
    job = make_training_job(student, cohort=cohort)
    use_device(student, 900.0, days_ago=1, cohort=cohort)
    use_device(student, 900.0, cohort=other)
    assert next_job_id("test-worker") == job.pk
    use_device(student, 600.0, cohort=cohort)
    assert next_job_id("test-worker") is None
    standing = standing_of(job)
    assert standing.reason == Reason.DAY_USED_UP
    assert standing.until == next_midnight(timezone.now())


def test_weights_of_classes_count(
    two_jobs: tuple[TrainingJob, TrainingJob], student: User, other_student: User
) -> None:
    older, younger = two_jobs
    cohort = Cohort.objects.create(name="Double")
    ComputePolicy.objects.create(cohort=cohort, weight=2.0)
    TrainingJob.objects.filter(pk=older.pk).update(cohort=cohort, queued_at=timezone.now())
    use_device(student, 150.0)
    use_device(other_student, 100.0)
    assert next_job_id("test-worker") == older.pk


# --- for which worker -----------------------------------------------------------------------------


def test_a_paused_or_refused_worker_gets_nothing(student: User) -> None:
    job = make_training_job(student)
    make_worker("paused", is_paused=True)
    make_worker("refused", state=Worker.State.REFUSED)
    make_worker("ready")
    taken = [next_job_id(name) for name in ("paused", "refused", "ready", "never heard of")]
    assert taken == [None, None, job.pk, job.pk]


def test_a_packed_job_goes_to_a_worker_with_an_nvidia_gpu_only(student: User) -> None:
    job = make_training_job(student, lora_config={"variant": "qlora"})
    make_worker("laptop")
    assert next_job_id("laptop") is None
    assert standing_of(job).reason == Reason.NEEDS_GPU
    make_worker("tower", device="cuda")
    assert next_job_id("tower") == job.pk
    assert next_job_id("laptop") is None
    assert standing_of(job).reason == Reason.NEXT


# --- at the same moment ---------------------------------------------------------------------------


@pytest.fixture
def claiming() -> Callable[[list[str]], list[uuid.UUID | None]]:
    """Claims from several threads that begin at once."""

    def run(names: list[str]) -> list[uuid.UUID | None]:
        found: dict[str, uuid.UUID | None] = {}
        gate = threading.Barrier(len(names))

        def claim(name: str) -> None:
            gate.wait(timeout=10)
            try:
                lease = lifecycle.claim_next(name)
                found[name] = lease and lease.job_id
            finally:
                connection.close()

        threads = [threading.Thread(target=claim, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        return [found[name] for name in names]

    return run


@pytest.mark.django_db(transaction=True)
def test_two_threads_claim_different_jobs(
    two_jobs: tuple[TrainingJob, TrainingJob], claiming: Any
) -> None:
    taken = claiming(["one", "two", "three"])
    assert sorted(map(str, taken)) == sorted([*(str(job.pk) for job in two_jobs), "None"])


@pytest.mark.django_db(transaction=True)
def test_three_threads_start_one_job_of_a_person(student: User, claiming: Any) -> None:
    version = make_training_job(student).dataset_version
    for _number in range(3):
        make_training_job(student, dataset_version=version)
    taken = claiming(["one", "two", "three"])
    assert taken.count(None) == 2
    assert TrainingJob.objects.filter(status="running").count() == 1


def test_a_claim_counts_the_owners_running_jobs_once_more(student: User) -> None:
    first = make_training_job(student)
    second = make_training_job(student, dataset_version=first.dataset_version)
    with transaction.atomic():
        assert may_start(second.pk)
    # Another worker was quicker with the other job.
    TrainingJob.objects.filter(pk=first.pk).update(status="running", lease_token=uuid.uuid4())
    with transaction.atomic():
        assert not may_start(second.pk)
        assert not may_start(uuid.uuid4())


# --- what is shown --------------------------------------------------------------------------------


def test_the_job_in_first_place_is_the_one_that_a_worker_takes(
    student: User, other_student: User
) -> None:
    make_worker()
    version = make_dataset_version(student)
    model = make_base_model()
    for number in range(6):
        owner = student if number % 3 else other_student
        make_training_job(
            owner, dataset_version=version, base_model=model, estimate={"duration_seconds": 60}
        )
    use_device(student, 30.0)
    while (next_id := next_job_id("test-worker")) is not None:
        standings = queue_standings()
        assert next(iter(standings)) == next_id
        assert standings[next_id].position == 1
        lease = lifecycle.claim_next("test-worker")
        assert lease is not None
        assert lease.job_id == next_id
        lifecycle.fail(lease, "internal")


def test_a_pending_jobs_range_comes_from_what_runs_before_it(
    student: User, other_student: User, settings: LazySettings
) -> None:
    settings.JOBS_PER_DEVICE = 1
    make_worker()
    running, _lease = make_running_job(student, step_count=25, total_steps=75, device_seconds=100.0)
    job = make_training_job(other_student)
    standing = standing_of(job)
    assert standing.reason == Reason.DEVICE_BUSY
    assert standing.expected_start is not None
    # 200 s are left by its own pace.
    low = (standing.expected_start.earliest - timezone.now()).total_seconds()
    high = (standing.expected_start.latest - timezone.now()).total_seconds()
    assert 140 < low <= 150
    assert 290 < high <= 300
    rows = TrainingJob.objects.filter(pk=running.pk)
    # Before enough steps were measured the estimate counts, as long as it holds.
    rows.update(current_step=1, device_seconds=20.0, estimate={"duration_seconds": 120.0})
    start = standing_of(job).expected_start
    assert 65 < (start.earliest - timezone.now()).total_seconds() <= 75
    rows.update(device_seconds=130.0)
    assert standing_of(job).expected_start is None


def test_a_job_that_does_not_wait_has_no_standing(student: User) -> None:
    running, _lease = make_running_job(student)
    with CaptureQueriesContext(connection) as queries:
        assert standing_of(running) is None
    assert not queries.captured_queries


# --- cost -----------------------------------------------------------------------------------------


def make_crowd(count: int) -> None:
    owner = make_person(f"owner-{uuid.uuid4().hex[:6]}")
    version, model = make_dataset_version(owner), make_base_model()
    cohort = Cohort.objects.create(name="Crowd")
    ComputePolicy.objects.create(cohort=cohort, max_device_seconds=10_000)
    template = make_training_job(owner, dataset_version=version, base_model=model)
    people = User.objects.bulk_create(
        User(username=f"p{uuid.uuid4().hex[:12]}") for _number in range(count)
    )
    DeviceUsage.objects.bulk_create(
        DeviceUsage(user=person, cohort=cohort, day=timezone.now().date(), seconds=number)
        for number, person in enumerate(people)
    )
    fields = {
        "name": "Crowd",
        "base_model": model,
        "dataset_version": version,
        "lora_config": template.lora_config,
        "training_config": template.training_config,
        "cohort": cohort,
        "estimate": {"duration_seconds": 90.0},
        "queued_at": timezone.now(),
    }
    TrainingJob.objects.bulk_create(TrainingJob(owner=person, **fields) for person in people)


def query_count(read: Any) -> int:
    with CaptureQueriesContext(connection) as queries:
        read()
    return len(queries)


def test_three_hundred_waiting_jobs_cost_no_more_queries_than_two() -> None:
    make_worker()
    make_crowd(2)
    reads = (lambda: next_job_id("test-worker"), queue_standings)
    few = [query_count(read) for read in reads]
    make_crowd(300)
    assert [query_count(read) for read in reads] == few
    assert few[0] <= 7
    assert len(queue_standings()) == 304


def test_an_empty_queue_is_asked_for_little() -> None:
    make_worker()
    assert query_count(lambda: next_job_id("test-worker")) == 2
    assert read_line(has_gpu=False).waiting == ()
