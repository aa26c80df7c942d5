"""Run one job for each combination of values; all of them are queued, or none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.idempotency import once
from accounts.models import Cohort, User
from common import storage
from common.errors import (
    ConflictError,
    Fault,
    InvalidInputError,
    NotFoundError,
    TooManyRequestsError,
)
from training.models import Sweep, TrainingJob
from training.notebook.limits import MAX_NAME_CHARACTERS
from training.preflight.estimate import estimate_of
from training.selectors import get_job
from training.services.creating import queue_job
from training.services.ending import cancel_training_job
from training.services.notes import read_name
from training.services.ordering import JobOrder, new_job
from training.services.sweep_room import check_room
from training.sweeping.axes import (
    Axis,
    AxisOrder,
    Combination,
    combination_text,
    combinations_of,
    read_axes,
)
from training.sweeping.reading import get_sweep


@dataclass(frozen=True, slots=True)
class SweepOrder:
    """What a person wants: the settings of a job, and the values to try instead of its own."""

    name: str
    from_job_id: UUID | str
    axes: Sequence[AxisOrder]


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """A sweep that could start: its jobs are not saved yet, and stand in the order of the combinations."""

    name: str
    source: TrainingJob
    axes: tuple[Axis, ...]
    combinations: tuple[Combination, ...]
    jobs: tuple[TrainingJob, ...]

    @property
    def uses_newer_version(self) -> bool:
        """Whether the dataset has changed since the job that the sweep starts from."""
        return any(
            job.dataset_version_id != self.source.dataset_version_id
            or job.eval_dataset_version_id != self.source.eval_dataset_version_id
            for job in self.jobs
        )

    def estimated_seconds(self) -> list[float]:
        """Of the jobs for which something can be told."""
        estimates = [estimate_of(job).get("duration_seconds") for job in self.jobs]
        return [float(seconds) for seconds in estimates if seconds is not None]


def plan_sweep(owner: User, order: SweepOrder) -> SweepPlan:
    """The sweep of an order, without starting anything.

    Raises:
        InvalidInputError: with every fault, by field.
    """
    faults: list[Fault] = []
    name = _read_name(order.name, faults)
    source = _find_source(owner, order.from_job_id, faults)
    axes = read_axes(order.axes, faults)
    if faults or source is None:
        raise InvalidInputError(_refusal(), faults=faults)
    combinations = combinations_of(axes)
    jobs = _new_jobs(owner, name, source, axes, combinations)
    return SweepPlan(name, source, tuple(axes), tuple(combinations), tuple(jobs))


def queue_refusal(owner: User, plan: SweepPlan) -> str:
    """Why the jobs of a plan can not all be queued now; empty when they can."""
    try:
        check_room(owner, plan.jobs)
    except TooManyRequestsError as error:
        return str(error.message)
    return ""


def create_sweep(owner: User, order: SweepOrder, *, idempotency_key: str = "") -> Sweep:
    """Queue all jobs of a sweep in one transaction; the same idempotency key gives the same sweep.

    Raises:
        InvalidInputError: with every fault, by field.
        TooManyRequestsError: not all of the jobs may wait now; then none was queued.
        DiskFullError: the disk is nearly full.
    """
    storage.check_free_space()
    return once(
        owner,
        scope="training.sweep",
        key=idempotency_key,
        create=lambda: _queue_sweep(owner, order),
        find=lambda sweep_id: _sweep_of_earlier_request(owner, sweep_id),
    )


@transaction.atomic
def _queue_sweep(owner: User, order: SweepOrder) -> Sweep:
    plan = plan_sweep(owner, order)
    check_room(owner, plan.jobs)
    axes = [{"name": axis.name, "values": list(axis.values)} for axis in plan.axes]
    sweep = Sweep.objects.create(owner=owner, name=plan.name, axes=axes)
    for job in plan.jobs:
        job.sweep = sweep
        queue_job(job)
    return sweep


def cancel_sweep(owner: User, sweep: Sweep) -> int:
    """Cancel every job of a sweep that waits or runs; gives their number.

    Raises:
        ConflictError: none of them waits or runs.
    """
    cancelled = 0
    for job in TrainingJob.objects.visible_to(owner).active().filter(sweep=sweep):
        try:
            cancel_training_job(job)
        except ConflictError:
            # It ended meanwhile.
            continue
        cancelled += 1
    if not cancelled:
        raise ConflictError(
            _("All jobs of this sweep are over already, so there is nothing to cancel.")
        )
    return cancelled


def delete_sweep(sweep: Sweep) -> None:
    """Delete the group; its jobs stay as they are, also those that still wait or run."""
    sweep.delete()


def _read_name(given: str, faults: list[Fault]) -> str:
    if not given.strip():
        faults.append(Fault(_("Give the sweep a name, so that you find it again."), field="name"))
        return ""
    return read_name(given, faults)


def _find_source(owner: User, job_id: UUID | str, faults: list[Fault]) -> TrainingJob | None:
    try:
        return get_job(owner, job_id)
    except NotFoundError as error:
        faults.append(Fault(error.message, field="from_job_id"))
        return None


def _new_jobs(
    owner: User,
    name: str,
    source: TrainingJob,
    axes: Sequence[Axis],
    combinations: Sequence[Combination],
) -> list[TrainingJob]:
    jobs: list[TrainingJob] = []
    refused: list[tuple[Combination, Fault]] = []
    cohort_id = _cohort_of(owner, source)
    for combination in combinations:
        order = _job_order(name, source, cohort_id, axes, combination)
        try:
            jobs.append(new_job(owner, order))
        except InvalidInputError as error:
            refused += [(combination, fault) for fault in error.faults]
    if refused:
        raise InvalidInputError(
            _refusal(), faults=list(_sweep_faults(axes, len(combinations), refused))
        )
    return jobs


def _cohort_of(owner: User, source: TrainingJob) -> UUID | None:
    """The class that the job counted in, while the person is still in it."""
    if source.cohort_id is None:
        return None
    return (
        source.cohort_id if Cohort.objects.of(owner).filter(pk=source.cohort_id).exists() else None
    )


def _job_order(
    name: str,
    source: TrainingJob,
    cohort_id: UUID | None,
    axes: Sequence[Axis],
    combination: Combination,
) -> JobOrder:
    configs: dict[str, dict[str, Any]] = {
        "lora_config": dict(source.lora.to_dict()),
        "training_config": dict(source.training.to_dict()),
    }
    for axis, value in zip(axes, combination, strict=True):
        configs[axis.prefix][axis.parameter_name] = value
    eval_version = source.eval_dataset_version
    return JobOrder(
        name=_job_name(name, combination_text(axes, combination)),
        base_model_name=source.base_model.name,
        dataset_id=source.dataset_version.dataset_id,
        eval_dataset_id=eval_version.dataset_id if eval_version else None,
        lora_config=configs["lora_config"],
        training_config=configs["training_config"],
        sample_prompts=source.sample_prompts,
        cohort_id=cohort_id,
        tags=source.tags,
    )


def _job_name(name: str, values: str) -> str:
    """The values are what tells the jobs apart, so it is the name that is shortened."""
    room = MAX_NAME_CHARACTERS - len(values) - 2
    if len(name) > room:
        name = f"{name[: max(0, room - 1)].rstrip()}…"
    return f"{name}: {values}"[:MAX_NAME_CHARACTERS]


def _sweep_faults(
    axes: Sequence[Axis], count: int, refused: Sequence[tuple[Combination, Fault]]
) -> Iterator[Fault]:
    """The faults of single jobs as faults of the sweep: each once, with the values where only some are refused."""
    found: dict[tuple[str, str], list[Combination]] = {}
    for combination, fault in refused:
        found.setdefault((fault.field or "", str(fault.message)), []).append(combination)
    fields = {axis.name: f"axes.{index}.values" for index, axis in enumerate(axes)}
    for (field, message), combinations in found.items():
        where = fields.get(field, "from_job_id" if field != "name" else "name")
        if len(combinations) == count:
            yield Fault(message, field=where)
            continue
        values = "; ".join(combination_text(axes, combination) for combination in combinations)
        sentence = _("%(values)s: %(reason)s") % {"values": values, "reason": message}
        yield Fault(sentence, field=where)


def _refusal() -> str:
    return _(
        "The sweep was not started, because some values can not be used. Correct them and start again."
    )


def _sweep_of_earlier_request(owner: User, sweep_id: str) -> Sweep:
    try:
        return get_sweep(owner, sweep_id)
    except NotFoundError as error:
        raise ConflictError(
            _("The sweep of this request was started before and has been deleted. Start a new one.")
        ) from error
