"""What a person orders, checked in full before it costs anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.models import Cohort, User
from common.errors import (
    Fault,
    InvalidInputError,
    NotFoundError,
)
from datasets_app.models import Dataset
from datasets_app.selectors import get_dataset, latest_version
from engine.config import (
    InvalidConfigError,
    LoraHyperparameters,
    TrainingHyperparameters,
)
from modelhub.models import BaseModel
from modelhub.selectors import get_trainable_base_model, has_cuda_worker
from training.models import TrainingJob
from training.preflight.size import plan_training_job
from training.sample_prompts import read_sample_prompts
from training.sentences import fault_sentence
from training.services.notes import read_name, read_note, read_tags
from training.services.quotas import quota_faults

Settings = TypeVar("Settings", LoraHyperparameters, TrainingHyperparameters)


@dataclass(frozen=True, slots=True)
class JobOrder:
    """What a person wants, as it was given.

    Attributes:
        eval_dataset_id: a dataset to measure on only, instead of a share held out of the other one.
        sample_prompts: questions that the adapter answers while it learns.
        cohort_id: the class that the job counts in; the person's own one, when there is just one.
        prediction: what the person expects of it.
    """

    name: str
    base_model_name: str
    dataset_id: UUID | str
    lora_config: dict[str, Any]
    training_config: dict[str, Any]
    eval_dataset_id: UUID | str | None = None
    sample_prompts: Sequence[str] = ()
    cohort_id: UUID | str | None = None
    prediction: str = ""
    tags: Sequence[str] = ()


def new_job(owner: User, order: JobOrder) -> TrainingJob:
    """The job of an order, not saved yet.

    Raises:
        InvalidInputError: with every fault, by field.
    """
    faults: list[Fault] = []
    name = read_name(order.name, faults)
    lora = read_settings(LoraHyperparameters, "lora_config", order.lora_config, faults)
    training = read_settings(
        TrainingHyperparameters, "training_config", order.training_config, faults
    )
    base_model = _find(
        lambda: get_trainable_base_model(order.base_model_name), "model_name", faults
    )
    dataset = _find(lambda: get_dataset(owner, order.dataset_id), "dataset_id", faults)
    eval_dataset = _find_eval_dataset(owner, order, dataset, faults)
    prompts = read_sample_prompts(order.sample_prompts, faults)
    if training and base_model:
        _check_length(training, base_model, faults)
    if training and order.eval_dataset_id is not None:
        _check_held_out_once(training, faults)
    if lora:
        _check_variant(lora, faults)
    cohort = _find_cohort(owner, order.cohort_id, faults)
    eval_version = latest_version(eval_dataset) if eval_dataset else None
    if lora and training and base_model and dataset:
        plan = plan_training_job(
            base_model=base_model,
            dataset_version=latest_version(dataset),
            lora=lora,
            training=training,
            eval_dataset_version=eval_version,
        )
        faults += quota_faults(cohort, lora, plan.total_steps)
    prediction = read_note(order.prediction, "prediction", faults)
    tags = read_tags(order.tags, faults)
    if faults or lora is None or training is None or base_model is None or dataset is None:
        raise InvalidInputError(
            _(
                "The job was not started, because some settings can not be used. Correct them and start again."
            ),
            faults=faults,
        )
    return TrainingJob(
        owner=owner,
        name=name,
        base_model=base_model,
        dataset_version=latest_version(dataset),
        eval_dataset_version=eval_version,
        lora_config=lora.to_dict(),
        training_config=training.to_dict(),
        sample_prompts=prompts,
        cohort=cohort,
        prediction=prediction,
        tags=tags,
    )


def _find_cohort(owner: User, cohort_id: UUID | str | None, faults: list[Fault]) -> Cohort | None:
    """The class that the job counts in. Without a choice it is the only one; of several none is guessed."""
    own = Cohort.objects.of(owner)
    if not cohort_id:
        first_two = list(own[:2])
        return first_two[0] if len(first_two) == 1 else None
    try:
        cohort = own.filter(pk=cohort_id).first()
    except (ValidationError, ValueError):
        cohort = None
    if cohort is None:
        faults.append(
            Fault(_("You are not in this class. Choose one of your own."), field="cohort_id")
        )
    return cohort


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
    owner: User, order: JobOrder, dataset: Dataset | None, faults: list[Fault]
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
