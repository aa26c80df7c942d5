"""Reads of base models and workers, shared by pages, API and tasks."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from common.errors import NotFoundError, UnavailableError
from engine.catalog import CATALOG
from engine.models.cache import find_prepared
from engine.protocol import BaseModelRef
from modelhub.models import BaseModel, Worker

WORKER_SILENCE = timedelta(seconds=30)
"""A worker reports every few seconds; this long without a word means that it is gone."""


def base_models() -> list[BaseModel]:
    """Base models that may be chosen, bundled first."""
    return list(BaseModel.objects.filter(is_enabled=True))


def trainable_base_models() -> list[BaseModel]:
    """Those that can be tuned: their weights are on this installation's hosts."""
    return [model for model in base_models() if model.source not in BaseModel.REMOTE]


def get_base_model(name: str) -> BaseModel:
    """The base model of that name.

    Raises:
        NotFoundError: it is not on the allow-list.
    """
    base_model = BaseModel.objects.filter(name=name, is_enabled=True).first()
    if base_model is None:
        raise NotFoundError(
            _("There is no base model named “%(name)s” here. Choose one from the list of models.")
            % {"name": name[:200]}
        )
    return base_model


def get_trainable_base_model(name: str) -> BaseModel:
    """The base model of that name, to be tuned.

    Raises:
        NotFoundError: it is not on the allow-list, or its weights are on another server.
    """
    base_model = get_base_model(name)
    if base_model.source in BaseModel.REMOTE:
        raise NotFoundError(
            _(
                "“%(name)s” answers on another server, so it can be talked to, but not tuned here. "
                "Choose another base model."
            )
            % {"name": base_model.name}
        )
    return base_model


def find_base_model_ref(base_model: BaseModel) -> BaseModelRef | None:
    """Where the loadable form of a base model stands on this host, or None when it is not there yet."""
    if base_model.source == BaseModel.Source.LOCAL:
        folder = settings.LLMLORA_HOME.local_models / base_model.name
        if not (folder / "model.safetensors").is_file():
            return None
        return BaseModelRef(name=base_model.name, path=str(folder), digest=base_model.digest)
    spec = next((spec for spec in CATALOG if spec.name == base_model.name), None)
    return find_prepared(settings.LLMLORA_HOME.model_cache, spec) if spec else None


def is_ready(base_model: BaseModel) -> bool:
    return find_base_model_ref(base_model) is not None


def is_talkable(base_model: BaseModel) -> bool:
    """Whether a chat with it can begin now; of another server only that server knows."""
    return base_model.source in BaseModel.REMOTE or is_ready(base_model)


def base_model_ref(base_model: BaseModel) -> BaseModelRef:
    """Where the loadable form of a base model stands on this host.

    Raises:
        UnavailableError: it has not been prepared here.
    """
    ref = find_base_model_ref(base_model)
    if ref is None:
        raise UnavailableError(
            _(
                "The base model “%(name)s” is not ready on this server yet. "
                "Try again in a minute, or ask your instructor."
            )
            % {"name": base_model.name}
        )
    return ref


def workers() -> list[Worker]:
    """Every known worker; one that fell silent is shown as down."""
    rows: list[Worker] = []
    # Heartbeats bear the database's time, so that no clock difference between hosts matters.
    for row in Worker.objects.annotate(database_now=Now()):
        if row.heartbeat_at < row.database_now - WORKER_SILENCE:
            row.state = Worker.State.DOWN
        rows.append(row)
    return rows


def has_cuda_worker() -> bool:
    """Whether a worker that takes work has an NVIDIA GPU."""
    return any(row.has_cuda and row.is_at_work for row in workers())
