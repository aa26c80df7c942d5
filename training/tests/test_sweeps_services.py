"""Start, cancel and delete sweeps: all jobs or none, checked in full before anything is queued."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from accounts.models import Cohort, ComputePolicy, Membership, User
from common.errors import ConflictError, InvalidInputError, TooManyRequestsError
from datasets_app.models import Dataset
from training.models import Sweep, TrainingJob
from training.services.quotas import MAX_ACTIVE_JOBS_PER_PERSON
from training.services.sweeping import (
    SweepOrder,
    cancel_sweep,
    create_sweep,
    delete_sweep,
    plan_sweep,
    queue_refusal,
)
from training.sweeping.axes import Axis, AxisOrder, combination_text
from training.tests.factories import (
    make_completed_job,
    make_dataset_version,
    make_running_job,
    make_training_job,
)
from training.tests.measured_jobs import training_config

pytestmark = pytest.mark.django_db
RATE, EPOCHS, RANK = (
    "training_config.learning_rate",
    "training_config.num_epochs",
    "lora_config.r",
)
RATES = AxisOrder(RATE, [1e-4, 1e-3, 1e-2])


@pytest.fixture
def source(student: User) -> TrainingJob:
    return make_completed_job(
        student,
        name="Garden",
        tags=["spring"],
        sample_prompts=["Who?"],
        training_config=training_config(seed=7, batch_size=2),
    )


def order(source: TrainingJob, *axes: AxisOrder, name: str = "Rates") -> SweepOrder:
    return SweepOrder(name=name, from_job_id=source.pk, axes=axes or [RATES])


def faults_of(source: TrainingJob, *axes: AxisOrder, **changes: Any) -> dict[str | None, str]:
    with pytest.raises(InvalidInputError) as refusal:
        create_sweep(source.owner, order(source, *axes, **changes))
    assert not Sweep.objects.exists()
    assert TrainingJob.objects.count() == 1
    return {fault.field: str(fault.message) for fault in refusal.value.faults}


# --- start --------------------------------------------------------------------------------------------


def test_every_combination_becomes_a_waiting_job(student: User, source: TrainingJob) -> None:
    sweep = create_sweep(student, order(source, RATES, AxisOrder(RANK, [4, 16])))
    jobs = list(sweep.jobs.order_by("created_at"))
    assert [(job.training.learning_rate, job.lora.r) for job in jobs] == [
        (rate, rank) for rate in (1e-4, 1e-3, 1e-2) for rank in (4, 16)
    ]
    assert {job.status for job in jobs} == {"pending"}
    assert all(job.queued_at for job in jobs)
    assert jobs[0].name == "Rates: learning rate 0.0001, rank 4"
    assert sweep.axes == [
        {"name": RATE, "values": [1e-4, 1e-3, 1e-2]},
        {"name": RANK, "values": [4, 16]},
    ]


def test_only_the_varied_setting_differs(student: User, source: TrainingJob) -> None:
    sweep = create_sweep(student, order(source))
    for job in sweep.jobs.all():
        assert job.tags == ["spring"]
        assert job.sample_prompts == ["Who?"]
        assert job.dataset_version_id == source.dataset_version_id
        assert job.lora_config == source.lora_config
        config = job.training_config | {"learning_rate": source.training.learning_rate}
        assert config == source.training_config
        assert job.training.seed == 7


def test_the_class_of_the_job_is_kept_while_the_person_is_in_it(
    student: User, source: TrainingJob
) -> None:
    classes = [Cohort.objects.create(name=name) for name in ("Spring", "Autumn")]
    for cohort in classes:
        Membership.objects.create(cohort=cohort, user=student)
    TrainingJob.objects.filter(pk=source.pk).update(cohort=classes[1])
    assert {job.cohort for job in plan_sweep(student, order(source)).jobs} == {classes[1]}
    Membership.objects.filter(cohort=classes[1]).delete()
    assert {job.cohort for job in plan_sweep(student, order(source)).jobs} == {classes[0]}


def test_a_long_name_is_shortened_and_not_the_values(student: User, source: TrainingJob) -> None:
    sweep = create_sweep(student, order(source, name="N" * 120))
    names = [job.name for job in sweep.jobs.order_by("created_at")]
    assert all(len(name) <= 120 for name in names)
    assert names[0].endswith("…: learning rate 0.0001")


def test_the_same_key_starts_one_sweep(student: User, source: TrainingJob) -> None:
    first = create_sweep(student, order(source), idempotency_key="click")
    assert create_sweep(student, order(source), idempotency_key="click") == first
    assert TrainingJob.objects.filter(sweep__isnull=False).count() == 3
    delete_sweep(first)
    with pytest.raises(ConflictError):
        create_sweep(student, order(source), idempotency_key="click")


def test_a_plan_starts_nothing(student: User, source: TrainingJob) -> None:
    plan = plan_sweep(student, order(source))
    assert len(plan.jobs) == 3
    assert not plan.uses_newer_version
    assert queue_refusal(student, plan) == ""
    assert not Sweep.objects.exists()


def test_whole_numbers_may_be_written_with_a_point(student: User, source: TrainingJob) -> None:
    plan = plan_sweep(student, order(source, AxisOrder(EPOCHS, [1.0, 2])))
    assert plan.axes[0].values == (1, 2)


# --- what can not be used -----------------------------------------------------------------------------


def test_a_value_out_of_range_is_named_with_its_range(source: TrainingJob) -> None:
    faults = faults_of(source, AxisOrder(RATE, [0.5, 1e-3, "much"]))
    assert list(faults) == ["axes.0.values"]
    with pytest.raises(InvalidInputError) as refusal:
        plan_sweep(source.owner, order(source, AxisOrder(RATE, [0.5, 1e-3, "much"])))
    messages = [str(fault.message) for fault in refusal.value.faults]
    assert messages == [
        "0.5 can not be used. Enter a value from 1e-06 to 0.1.",
        "much can not be used. Enter a number.",
    ]


@pytest.mark.parametrize("name", ["training_config.mood", "lora_config.target_modules", "r", ""])
def test_an_unknown_setting_is_refused(source: TrainingJob, name: str) -> None:
    assert "no setting of this name" in faults_of(source, AxisOrder(name, [1, 2]))["axes.0.name"]


def test_a_value_that_stands_twice_is_refused(source: TrainingJob) -> None:
    faults = faults_of(source, AxisOrder(RATE, [1e-3, 0.001]))
    assert faults["axes.0.values"] == "0.001 stands there twice. Name each value once."


@pytest.mark.parametrize("values", [[], [1e-3]])
def test_fewer_than_two_values_vary_nothing(source: TrainingJob, values: list[float]) -> None:
    assert "at least two values" in faults_of(source, AxisOrder(RATE, values))["axes.0.values"]


def test_the_same_setting_twice_is_refused(source: TrainingJob) -> None:
    faults = faults_of(source, AxisOrder(RATE, [1e-4, 1e-3]), AxisOrder(RATE, [1e-2, 1e-1]))
    assert "same setting" in faults["axes.1.name"]


def test_more_than_twelve_jobs_are_refused(source: TrainingJob) -> None:
    faults = faults_of(source, AxisOrder(EPOCHS, [1, 2, 3, 4]), AxisOrder(RANK, [1, 2, 4, 8]))
    assert "16 jobs" in faults["axes"]
    assert "12" in faults["axes"]


def test_an_endless_list_is_refused_by_its_length(source: TrainingJob) -> None:
    faults = faults_of(source, AxisOrder(EPOCHS, [*range(1, 60), "much"]))
    assert "60 jobs" in faults["axes"]


def test_no_axis_and_three_axes_are_refused(student: User, source: TrainingJob) -> None:
    for axes in ([], [RATES, AxisOrder(RANK, [1, 2]), AxisOrder(EPOCHS, [1, 2])]):
        with pytest.raises(InvalidInputError) as refusal:
            plan_sweep(student, SweepOrder("Rates", source.pk, axes))
        assert "axes" in {fault.field for fault in refusal.value.faults}


@pytest.mark.parametrize("name", ["", "   ", "N" * 121, "Rates\x00"])
def test_the_name_is_checked(source: TrainingJob, name: str) -> None:
    assert "name" in faults_of(source, name=name)


def test_the_job_of_somebody_else_is_not_known(other_student: User, source: TrainingJob) -> None:
    for job_id in (source.pk, uuid4(), "nonsense"):
        with pytest.raises(InvalidInputError) as refusal:
            create_sweep(other_student, SweepOrder("Rates", job_id, [RATES]))
        assert [fault.field for fault in refusal.value.faults] == ["from_job_id"]


def test_a_dataset_that_is_no_longer_shared_is_told_once(
    student: User, other_student: User
) -> None:
    version = make_dataset_version(other_student)
    cohort = Cohort.objects.create(name="Spring")
    for person in (student, other_student):
        Membership.objects.create(cohort=cohort, user=person)
    Dataset.objects.filter(pk=version.dataset_id).update(
        visibility=Dataset.Visibility.COHORT, cohort=cohort
    )
    source = make_training_job(student, dataset_version=version)
    assert len(plan_sweep(student, order(source)).jobs) == 3
    Membership.objects.filter(user=student).delete()
    faults = faults_of(source)
    assert faults == {"from_job_id": "There is no such dataset. It may have been deleted."}


def test_a_value_that_the_base_model_refuses_is_named(student: User, source: TrainingJob) -> None:
    model = source.base_model
    model.context_length = 1024
    model.save()
    faults = faults_of(source, AxisOrder("training_config.max_length", [512, 2048]))
    assert faults["axes.0.values"].startswith("maximum length 2048: This base model reads at most")


# --- room in the queue --------------------------------------------------------------------------------


def fill_queue(owner: User, source: TrainingJob, *, free: int) -> None:
    for _number in range(MAX_ACTIVE_JOBS_PER_PERSON - free):
        make_training_job(owner, dataset_version=source.dataset_version)


def test_all_jobs_fit_or_none_is_started(student: User, source: TrainingJob) -> None:
    fill_queue(student, source, free=2)
    before = TrainingJob.objects.count()
    plan = plan_sweep(student, order(source))
    assert "room for 2 more" in queue_refusal(student, plan)
    with pytest.raises(TooManyRequestsError, match="3 jobs"):
        create_sweep(student, order(source), idempotency_key="click")
    assert TrainingJob.objects.count() == before
    assert not Sweep.objects.exists()
    TrainingJob.objects.filter(status="pending").first().delete()
    assert create_sweep(student, order(source), idempotency_key="click").jobs.count() == 3


def test_a_full_queue_is_told_as_for_a_single_job(student: User, source: TrainingJob) -> None:
    fill_queue(student, source, free=0)
    with pytest.raises(TooManyRequestsError, match="already have"):
        create_sweep(student, order(source))


def test_what_the_class_lets_wait_is_counted_for_all_jobs(
    student: User, source: TrainingJob
) -> None:
    cohort = Cohort.objects.create(name="Spring")
    Membership.objects.create(cohort=cohort, user=student)
    ComputePolicy.objects.update_or_create(cohort=cohort, defaults={"max_queued_jobs": 3})
    waiting = make_training_job(student, cohort=cohort, dataset_version=source.dataset_version)
    plan = plan_sweep(student, order(source))
    assert "your class allows each student 3 waiting jobs" in queue_refusal(student, plan)
    with pytest.raises(TooManyRequestsError, match="room for 2 more"):
        create_sweep(student, order(source))
    assert not Sweep.objects.exists()
    waiting.delete()
    assert create_sweep(student, order(source)).jobs.count() == 3


def test_a_rank_above_that_of_the_class_is_named(student: User, source: TrainingJob) -> None:
    cohort = Cohort.objects.create(name="Spring")
    Membership.objects.create(cohort=cohort, user=student)
    ComputePolicy.objects.update_or_create(cohort=cohort, defaults={"max_rank": 8})
    faults = faults_of(source, AxisOrder(RANK, [4, 64]))
    assert faults["axes.0.values"].startswith("rank 64: Your class allows a rank of 8")


# --- cancel and delete --------------------------------------------------------------------------------


def test_cancelling_ends_what_waits_and_asks_what_runs(student: User, source: TrainingJob) -> None:
    sweep = create_sweep(student, order(source))
    running, _lease = make_running_job(student, sweep=sweep)
    done = make_completed_job(student, sweep=sweep)
    assert cancel_sweep(student, sweep) == 4
    assert set(sweep.jobs.values_list("status", flat=True)) == {"cancelled", "running", "completed"}
    running.refresh_from_db()
    assert running.cancel_requested_at is not None
    done.refresh_from_db()
    assert done.cancel_requested_at is None


def test_a_sweep_that_is_over_can_not_be_cancelled(student: User) -> None:
    sweep = Sweep.objects.create(owner=student, name="Rates", axes=[])
    make_completed_job(student, sweep=sweep)
    with pytest.raises(ConflictError):
        cancel_sweep(student, sweep)


def test_deleting_a_sweep_keeps_its_jobs(student: User, source: TrainingJob) -> None:
    sweep = create_sweep(student, order(source))
    delete_sweep(sweep)
    assert TrainingJob.objects.filter(sweep=None, status="pending").count() == 3


def test_a_choice_stands_in_words_in_a_jobs_name() -> None:
    axis = Axis("training_config.lr_scheduler", ("constant", "cosine"))
    assert combination_text([axis], ("cosine",)) == "learning-rate schedule Soft curve"
