"""The models that a program may name: base models by their name, tuned models as job-<id>."""

from __future__ import annotations

from uuid import UUID

from accounts.models import User
from chat.openai_api.errors import ModelNotFoundError
from chat.openai_api.schemas import ModelSchema
from chat.selectors import talkable_jobs
from modelhub.models import BaseModel
from modelhub.selectors import base_models
from training.models import TrainingJob

JOB_PREFIX = "job-"
OWNER_OF_BASE_MODELS = "llmlora"


def known_models(user: User) -> list[ModelSchema]:
    """Every model that the person may talk to: tuned ones first, the newest of them first."""
    tuned = talkable_jobs(user).select_related("owner", "adapter")
    return [*map(describe, tuned), *map(describe, base_models())]


def find_model(user: User, name: str) -> TrainingJob | BaseModel:
    """The model of that name.

    Raises:
        ModelNotFoundError: there is none, it is not finished, or it is somebody else's.
    """
    model: TrainingJob | BaseModel | None
    if name.startswith(JOB_PREFIX):
        model = _find_job(user, name.removeprefix(JOB_PREFIX))
    else:
        model = next((model for model in base_models() if model.name == name), None)
    if model is None:
        raise ModelNotFoundError(name)
    return model


def _find_job(user: User, job_id: str) -> TrainingJob | None:
    try:
        return (
            talkable_jobs(user).select_related("owner", "adapter").filter(pk=UUID(job_id)).first()
        )
    except ValueError:
        return None


def describe(model: TrainingJob | BaseModel) -> ModelSchema:
    if isinstance(model, TrainingJob):
        made_at = model.completed_at or model.created_at
        return ModelSchema(
            id=f"{JOB_PREFIX}{model.pk}",
            created=int(made_at.timestamp()),
            owned_by=str(model.owner),
            name=model.name,
        )
    return ModelSchema(
        id=model.name,
        created=int(model.modified_at.timestamp()),
        owned_by=OWNER_OF_BASE_MODELS,
        name=model.name,
    )
