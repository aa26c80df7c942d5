"""Keep the rows of base models in step with what Ollama has."""

from __future__ import annotations

import logging
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from modelhub.models import BaseModel
from modelhub.ollama.address import is_configured
from modelhub.ollama.errors import OllamaError
from modelhub.ollama.library import ListedModel, ModelFacts, list_models, model_facts
from modelhub.ollama.names import MAX_CHARACTERS
from modelhub.trouble import note_trouble

logger = logging.getLogger(__name__)

PREFIX = "ollama/"
"""Before a name that another source has as well, or that begins like this in Ollama itself."""


def ollama_name(base_model: BaseModel) -> str:
    """What Ollama calls it."""
    return base_model.name.removeprefix(PREFIX)


def sync_ollama_models() -> None:
    """One enabled row per model that can talk; the rows of models that are gone are disabled, and keep their chats.

    Raises:
        OllamaError: Ollama did not answer, and the rows stay as they were but for a note of it. Not where none is set
            up.
    """
    if not is_configured():
        _rows().filter(is_enabled=True).update(is_enabled=False)
        return
    try:
        present = _present()
    except OllamaError as error:
        is_key = error.reason == "not_allowed"
        note_trouble(_rows(), BaseModel.Trouble.KEY if is_key else BaseModel.Trouble.AWAY)
        raise
    _store(present)
    note_trouble(_rows(), "")


def sync_quietly() -> None:
    """The same, for those whom nobody waits for."""
    try:
        sync_ollama_models()
    except OllamaError as error:
        logger.warning("the models of Ollama could not be looked at: %s", error)


def _present() -> dict[str, dict[str, Any]]:
    """What is new about each model that Ollama has, by Ollama's names; nothing where the row says it."""
    digests = {ollama_name(row): row.digest for row in _rows()}
    present: dict[str, dict[str, Any]] = {}
    for model in list_models():
        if digests.get(model.name) == model.digest:
            present[model.name] = {}
        elif len(model.name) <= MAX_CHARACTERS and (facts := _facts(model)) is not None:
            present[model.name] = _fields(model, facts)
    return present


def _facts(model: ListedModel) -> ModelFacts | None:
    """None for a model that makes embeddings, or was deleted a moment ago."""
    try:
        facts = model_facts(model.name)
    except OllamaError as error:
        if error.reason == "unknown_model":
            return None
        raise
    return facts if facts.can_talk else None


def _fields(model: ListedModel, facts: ModelFacts) -> dict[str, Any]:
    return {
        "source": BaseModel.Source.OLLAMA,
        "digest": model.digest,
        "size_bytes": model.size_bytes,
        "parameter_count": facts.parameter_count,
        "license": facts.license,
        "context_length": facts.context_length,
        "layer_count": facts.layer_count,
    }


@transaction.atomic
def _store(present: dict[str, dict[str, Any]]) -> None:
    names = {ollama_name(row): row.name for row in _rows()}
    taken = set(
        BaseModel.objects.exclude(source=BaseModel.Source.OLLAMA).values_list("name", flat=True)
    )
    for name, fields in present.items():
        row_name = names.setdefault(name, _row_name(name, taken))
        if fields:
            BaseModel.objects.update_or_create(
                name=row_name, defaults=fields | {"is_enabled": True}
            )
    here = [names[name] for name in present]
    _rows().filter(name__in=here, is_enabled=False).update(is_enabled=True)
    _rows().filter(is_enabled=True).exclude(name__in=here).update(is_enabled=False)


def _row_name(name: str, taken: set[str]) -> str:
    return f"{PREFIX}{name}" if name in taken or name.startswith(PREFIX) else name


def _rows() -> QuerySet[BaseModel]:
    return BaseModel.objects.filter(source=BaseModel.Source.OLLAMA)
