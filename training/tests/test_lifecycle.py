"""Claims, leases and endings of jobs: what a worker may write, and when it may not any more."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import Cohort, User
from modelhub.lifecycle import report_worker
from modelhub.models import Worker
from training import lifecycle
from training.lifecycle import Lease, LeaseLostError, Progress, Request
from training.models import DeviceUsage, MetricPoint, TrainingJob
from training.tests.factories import (
    make_completed_job,
    make_running_job,
    make_training_job,
)

pytestmark = pytest.mark.django_db
Status = TrainingJob.Status
Stage = TrainingJob.Stage


def stored(job: TrainingJob) -> TrainingJob:
    return TrainingJob.objects.get(pk=job.pk)


def test_the_longest_waiting_job_is_claimed_once(student: User) -> None:
    first, second = make_training_job(student), make_training_job()
    leases = [lifecycle.claim_next("worker") for _ in range(3)]
    assert [lease and lease.job_id for lease in leases] == [first.pk, second.pk, None]
    assert stored(first).status == Status.RUNNING
    assert stored(first).attempt == 1


def test_a_cancelled_job_is_not_claimed(student: User) -> None:
    job = make_training_job(student)
    assert lifecycle.request_cancel(job.pk)
    assert lifecycle.claim_next("worker") is None
    assert stored(job).status == Status.CANCELLED


def test_a_worker_that_lost_its_lease_writes_nothing(student: User) -> None:
    job, lease = make_running_job(student)
    stale = Lease(job.pk, uuid.uuid4(), 1)
    with pytest.raises(LeaseLostError):
        lifecycle.record(stale, Progress(fields={"loss": 0.1}))
    with pytest.raises(LeaseLostError):
        lifecycle.fail(stale, "internal")
    assert stored(job).loss is None
    assert not lifecycle.record(lease, Progress(fields={"loss": 0.5}))
    assert stored(job).loss == 0.5


def test_every_write_renews_the_lease_and_brings_back_what_was_asked(student: User) -> None:
    job, lease = make_running_job(student)
    assert lifecycle.record(lease, Progress()) is Request.NONE
    assert lifecycle.request_stop(job.pk)
    assert stored(job).stage == Stage.STOPPING
    assert lifecycle.record(lease, Progress()) is Request.STOP
    assert lifecycle.request_cancel(job.pk)
    assert stored(job).stage == Stage.CANCELLING
    assert lifecycle.record(lease, Progress()) is Request.CANCEL
    assert stored(job).lease_count == 3


@pytest.mark.parametrize(
    ("ask", "stage"),
    [
        (lifecycle.request_stop, Stage.STOPPING),
        (lifecycle.request_cancel, Stage.CANCELLING),
    ],
)
def test_a_stage_of_the_engine_does_not_take_back_what_the_person_was_told(
    student: User, ask: Callable[[uuid.UUID], bool], stage: str
) -> None:
    job, lease = make_running_job(student)
    ask(job.pk)
    # The worker had not heard of the request when it wrote this.
    lifecycle.record(lease, Progress(fields={"stage": Stage.EVALUATING}))
    assert stored(job).stage == stage


def test_a_stop_is_asked_once_and_only_of_a_job_that_runs_on(student: User) -> None:
    job, lease = make_running_job(student)
    assert lifecycle.request_stop(job.pk)
    assert not lifecycle.request_stop(job.pk)
    assert [event.payload for event in job.events.all()] == [{"stage": "stopping"}]
    lifecycle.request_cancel(job.pk)
    assert not lifecycle.request_stop(job.pk)
    lifecycle.finish_cancelled(lease)
    assert not lifecycle.request_stop(job.pk)
    assert not lifecycle.request_stop(make_training_job(student).pk)


def test_a_stop_holds_for_the_worker_that_takes_the_job_next(student: User) -> None:
    job, lease = make_running_job(student)
    lifecycle.request_stop(job.pk)
    lifecycle.release(job.pk, lease.token)
    assert (stored(job).status, stored(job).stage) == (Status.PENDING, Stage.QUEUED)
    next_lease = lifecycle.claim_next("worker")
    assert next_lease is not None
    assert stored(job).stage == Stage.STOPPING
    assert lifecycle.record(next_lease, Progress(fields={"stage": Stage.TRAINING})) is Request.STOP
    assert stored(job).stage == Stage.STOPPING


def test_only_a_worker_with_cuda_takes_a_packed_job(student: User) -> None:
    packed = make_training_job(student, lora_config={"variant": "qlora"})
    plain = make_training_job(lora_config={})
    report_worker("laptop", Worker.State.READY, device="cpu")
    report_worker("tower", Worker.State.READY, device="cuda")
    taken = [lifecycle.claim_next(name) for name in ("laptop", "laptop", "tower")]
    assert [lease and lease.job_id for lease in taken] == [plain.pk, None, packed.pk]


def test_a_job_ends_once(student: User) -> None:
    job, lease = make_running_job(student)
    lifecycle.finish_cancelled(lease)
    with pytest.raises(LeaseLostError):
        lifecycle.fail(lease, "internal")
    assert not lifecycle.request_cancel(job.pk)
    assert stored(job).status == Status.CANCELLED


def test_events_are_numbered_without_a_gap(student: User) -> None:
    job = make_training_job(student)
    lease = lifecycle.claim_next("worker")
    assert lease is not None
    lifecycle.record(
        lease, Progress(events=[("metrics", {"points": []}), ("stage", {"stage": "training"})])
    )
    lifecycle.request_cancel(job.pk)
    lifecycle.finish_cancelled(lease)
    numbers = list(job.events.order_by("seq").values_list("seq", flat=True))
    assert numbers == [1, 2, 3, 4, 5]
    assert stored(job).event_seq == 5


def test_a_worker_that_stops_in_good_order_gives_the_job_back_uncharged(student: User) -> None:
    job, lease = make_running_job(student)
    lifecycle.release(job.pk, lease.token)
    assert (stored(job).status, stored(job).lost_attempts) == (Status.PENDING, 0)
    assert stored(job).not_before is None


def end_back_off(job: TrainingJob) -> None:
    """As if the time had passed after which a lost job may be tried again."""
    TrainingJob.objects.filter(pk=job.pk).update(not_before=None)


def test_a_lost_job_waits_longer_each_time(student: User) -> None:
    job = make_training_job(student)
    waits = []
    for _ in range(2):
        end_back_off(job)
        lease = lifecycle.claim_next("worker")
        assert lease is not None
        lifecycle.lose(job.pk, lease.token)
        assert lifecycle.claim_next("worker") is None
        row = stored(job)
        assert row.not_before is not None
        assert row.queued_at is not None
        waits.append((row.not_before - row.queued_at).total_seconds())
    assert waits == [10, 40]


def test_each_claim_is_an_attempt_of_its_own(student: User) -> None:
    """A number that came twice would let two attempts write to the same place in storage."""
    job = make_training_job(student)
    for number in (1, 2):
        lease = lifecycle.claim_next("worker")
        assert lease is not None
        assert lease.attempt == number
        lifecycle.release(job.pk, lease.token)


@pytest.mark.parametrize(
    "end", [lambda lease: lifecycle.fail(lease, "engine_died"), lifecycle.finish_cancelled]
)
def test_a_job_that_ended_without_a_result_can_go_on(
    student: User, end: Callable[[Lease], None]
) -> None:
    job, lease = make_running_job(student)
    end(lease)
    assert lifecycle.requeue(job.pk)
    row = stored(job)
    assert (row.status, row.stage, row.error_code) == (Status.PENDING, Stage.QUEUED, "")
    assert (row.completed_at, row.cancel_requested_at) == (None, None)
    assert not lifecycle.requeue(job.pk)


def test_a_completed_job_does_not_go_on(student: User) -> None:
    assert not lifecycle.requeue(make_completed_job(student).pk)


def test_device_time_is_counted_for_the_job_and_for_its_owners_day(student: User) -> None:
    cohort = Cohort.objects.create(name="Spring")
    job, lease = make_running_job(student, cohort=cohort)
    for seconds in (5.0, 2.5):
        lifecycle.record(lease, Progress(device_seconds=seconds))
    assert stored(job).device_seconds == 7.5
    (usage,) = DeviceUsage.objects.all()
    assert (usage.user, usage.cohort, usage.seconds) == (student, cohort, 7.5)


def test_the_end_of_a_job_is_told_to_its_owner_and_a_cancel_is_not(student: User) -> None:
    job, lease = make_running_job(student)
    lifecycle.fail(lease, "engine_died")
    other, other_lease = make_running_job(student, dataset_version=job.dataset_version)
    lifecycle.finish_cancelled(other_lease)
    (notification,) = student.notifications.all()
    assert (notification.kind, notification.subject) == ("job_failed", str(job.pk))
    assert notification.path == reverse("training:job_detail", args=[job.pk])


def test_a_wait_is_summed_up_when_it_ends(student: User) -> None:
    job = make_training_job(student)
    TrainingJob.objects.filter(pk=job.pk).update(queued_at=timezone.now() - timedelta(seconds=90))
    lifecycle.claim_next("worker")
    assert 90 <= stored(job).waited_seconds < 120


def test_a_job_whose_workers_are_lost_again_and_again_fails_and_says_so(student: User) -> None:
    job = make_training_job(student)
    for _ in range(3):
        end_back_off(job)
        lease = lifecycle.claim_next("worker")
        assert lease is not None
        lifecycle.lose(job.pk, lease.token)
    assert (stored(job).status, stored(job).error_code) == (Status.FAILED, "worker_lost")
    assert lifecycle.claim_next("worker") is None


def test_a_lost_worker_of_a_job_that_was_to_be_cancelled_ends_it_as_cancelled(
    student: User,
) -> None:
    job, lease = make_running_job(student)
    lifecycle.request_cancel(job.pk)
    lifecycle.lose(job.pk, lease.token)
    assert stored(job).status == Status.CANCELLED


def test_a_second_attempt_starts_without_the_points_of_the_first(student: User) -> None:
    job, lease = make_running_job(student, step_count=5)
    lifecycle.lose(job.pk, lease.token)
    end_back_off(job)
    lifecycle.claim_next("worker")
    assert not MetricPoint.objects.filter(job=job).exists()
    assert stored(job).current_step == 0
