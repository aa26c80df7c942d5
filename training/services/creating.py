"""Start a job: everything is checked before it costs anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.idempotency import once
from accounts.models import User
from common import storage
from common.errors import (
    ConflictError,
    Fault,
    InvalidInputError,
    NotFoundError,
    TooManyRequestsError,
)
from common.poke import poke_on_commit
from datasets_app.models import Dataset
from datasets_app.selectors import get_dataset, latest_version
from engine.config import (
    InvalidConfigError,
    LoraHyperparameters,
    TrainingHyperparameters,
)
from modelhub.models import BaseModel
from modelhub.selectors import get_base_model, has_cuda_worker
from training.models import TrainingJob
from training.sample_prompts import read_sample_prompts
from training.sentences import fault_sentence
from training.tasks import run_waiting_jobs

MAX_NAME_CHARACTERS = 120
FLOAT32_BYTES = 4
MAX_ACTIVE_JOBS_PER_PERSON = 20
"""One person can not fill the queue of a whole class."""

Settings = TypeVar("Settings", LoraHyperparameters, TrainingHyperparameters)


@dataclass(frozen=True, slots=True)
class _Order:
    """What a person wants, as it was given."""

    name: str
    base_model_name: str
    dataset_id: UUID | str
    eval_dataset_id: UUID | str | None
    lora_config: dict[str, Any]
    training_config: dict[str, Any]
    sample_prompts: Sequence[str]


def create_training_job(
    owner: User,
    *,
    name: str,
    base_model_name: str,
    dataset_id: UUID | str,
    lora_config: dict[str, Any],
    training_config: dict[str, Any],
    eval_dataset_id: UUID | str | None = None,
    sample_prompts: Sequence[str] = (),
    idempotency_key: str = "",
) -> TrainingJob:
    """Queue a job; the same idempotency key gives the same job.

    Args:
        eval_dataset_id: a dataset to measure on only, instead of a share held out of the other one.
        sample_prompts: questions that the adapter answers while it learns.

    Raises:
        InvalidInputError: with every fault, by field.
        NotFoundError: the base model or dataset is not there for this person.
        TooManyRequestsError: the person has too many jobs waiting.
        DiskFullError: the disk is nearly full.
    """

    order = _Order(
        name.strip(),
        base_model_name,
        dataset_id,
        eval_dataset_id,
        lora_config,
        training_config,
        sample_prompts,
    )

    def make() -> TrainingJob:
        job = _new_job(owner, order)
        _check_queue(owner)
        job.save(force_insert=True)
        poke_on_commit(run_waiting_jobs, str(job.pk))
        return job

    storage.check_free_space()
    return once(
        owner,
        scope="training.job",
        key=idempotency_key,
        create=make,
        find=lambda job_id: _job_of_earlier_request(owner, job_id),
    )


def _job_of_earlier_request(owner: User, job_id: str) -> TrainingJob:
    job = TrainingJob.objects.filter(pk=job_id, owner=owner).first()
    if job is None:
        raise ConflictError(
            _("The job of this request was started before and has been deleted. Start a new one.")
        )
    return job


def _new_job(owner: User, order: _Order) -> TrainingJob:
    faults: list[Fault] = []
    _check_name(order.name, faults)
    lora = read_settings(LoraHyperparameters, "lora_config", order.lora_config, faults)
    training = read_settings(
        TrainingHyperparameters, "training_config", order.training_config, faults
    )
    base_model = _find(lambda: get_base_model(order.base_model_name), "model_name", faults)
    dataset = _find(lambda: get_dataset(owner, order.dataset_id), "dataset_id", faults)
    eval_dataset = _find_eval_dataset(owner, order, dataset, faults)
    prompts = read_sample_prompts(order.sample_prompts, faults)
    if training and base_model:
        _check_length(training, base_model, faults)
    if training and order.eval_dataset_id is not None:
        _check_held_out_once(training, faults)
    if lora:
        _check_variant(lora, faults)
    if faults or lora is None or training is None or base_model is None or dataset is None:
        raise InvalidInputError(
            _(
                "The job was not started, because some settings can not be used. Correct them and start again."
            ),
            faults=faults,
        )
    return TrainingJob(
        owner=owner,
        name=order.name,
        base_model=base_model,
        dataset_version=latest_version(dataset),
        eval_dataset_version=latest_version(eval_dataset) if eval_dataset else None,
        lora_config=lora.to_dict(),
        training_config=training.to_dict(),
        sample_prompts=prompts,
    )


def _check_queue(owner: User) -> None:
    if TrainingJob.objects.visible_to(owner).active().count() >= MAX_ACTIVE_JOBS_PER_PERSON:
        raise TooManyRequestsError(
            _(
                "You already have %(count)d jobs waiting or running. Wait for one to end, or cancel one."
            )
            % {"count": MAX_ACTIVE_JOBS_PER_PERSON},
            retry_after_seconds=60,
        )


def _check_name(name: str, faults: list[Fault]) -> None:
    if not name:
        faults.append(Fault(_("Give the job a name, so that you find it again."), field="name"))
    elif len(name) > MAX_NAME_CHARACTERS:
        faults.append(
            Fault(
                ngettext(
                    "The name may have %(count)d character at most.",
                    "The name may have %(count)d characters at most.",
                    MAX_NAME_CHARACTERS,
                )
                % {"count": MAX_NAME_CHARACTERS},
                field="name",
            )
        )


def _check_length(
    training: TrainingHyperparameters, base_model: BaseModel, faults: list[Fault]
) -> None:
    if training.max_length > base_model.context_length:
        faults.append(
            Fault(
                _("This base model reads at most %(limit)d tokens. Lower the maximum length.")
                % {"limit": base_model.context_length},
                field="training_config.max_length",
            )
        )


def _check_held_out_once(training: TrainingHyperparameters, faults: list[Fault]) -> None:
    if training.eval_fraction > 0:
        faults.append(
            Fault(
                _(
                    "The evaluation dataset is measured on already. "
                    "Set the held-out share to 0, or choose no evaluation dataset."
                ),
                field="training_config.eval_fraction",
            )
        )


def _check_variant(lora: LoraHyperparameters, faults: list[Fault]) -> None:
    """What the web side can know of a variant: the base model's biases are seen by the engine alone."""
    if lora.variant == "qlora" and not has_cuda_worker():
        faults.append(
            Fault(
                _(
                    "QLoRA needs a worker with an NVIDIA GPU, and none is there right now. "
                    "Choose LoRA instead: it runs on every worker."
                ),
                field="lora_config.variant",
            )
        )


def _find_eval_dataset(
    owner: User, order: _Order, dataset: Dataset | None, faults: list[Fault]
) -> Dataset | None:
    wanted = order.eval_dataset_id
    if wanted is None:
        return None
    found = _find(lambda: get_dataset(owner, wanted), "eval_dataset_id", faults)
    if found is not None and found == dataset:
        faults.append(
            Fault(
                _(
                    "This is the dataset that the adapter learns, so it would only measure what was learned by heart. "
                    "Choose another one, or hold out a share of it instead."
                ),
                field="eval_dataset_id",
            )
        )
    return found


def read_settings(
    kind: type[Settings], prefix: str, values: dict[str, Any], faults: list[Fault]
) -> Settings | None:
    """The settings, or None after adding every fault with its field's name."""
    try:
        return kind.from_mapping(values)
    except InvalidConfigError as error:
        faults += [
            Fault(fault_sentence(fault), field=f"{prefix}.{fault.name}") for fault in error.faults
        ]
        return None


def _find(get: Any, field: str, faults: list[Fault]) -> Any:
    try:
        return get()
    except NotFoundError as error:
        faults.append(Fault(error.message, field=field))
        return None
