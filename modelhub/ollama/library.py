"""The models that Ollama has, those that can talk: their sizes, licences and contexts."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from modelhub.ollama.errors import OllamaError
from modelhub.ollama.licences import licence_name
from modelhub.ollama.values import plain_text, whole_number
from modelhub.ollama.wire import Told, fetch

logger = logging.getLogger(__name__)

SECONDS = 10.0
MOST_MODELS = 500
DIGEST_CHARACTERS = 64
LARGEST_COUNT = 2**31 - 1
"""What the database counts with in four bytes."""
UNKNOWN_CONTEXT = 2048

_EMBEDDING_FAMILIES = frozenset(
    {"bert", "nomic-bert", "nomic-bert-moe", "xlm-roberta", "jina-bert"}
)
"""Of servers so old that they do not tell what a model can do."""


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model as the list has it."""

    name: str
    digest: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is told about one model only when it is asked for.

    Attributes:
        can_talk: False for models that make embeddings.
    """

    can_talk: bool
    parameter_count: int
    license: str
    context_length: int
    layer_count: int


def list_models() -> list[ListedModel]:
    """Every model on Ollama's own disk.

    Models of a cloud are left out: who talks to them sends their texts to somebody outside of the school.

    Raises:
        OllamaError: the list could not be had.
    """
    entries = fetch("GET", "/api/tags", seconds=SECONDS).get("models")
    if entries is None:
        raise OllamaError("not_ollama", "no list of models")
    models = []
    for entry in entries if isinstance(entries, list) else []:
        model = _listed(entry) if isinstance(entry, dict) else None
        if model is not None:
            models.append(model)
    if len(models) > MOST_MODELS:
        logger.warning("Ollama has %d models; the first %d are used", len(models), MOST_MODELS)
    return models[:MOST_MODELS]


def model_facts(name: str) -> ModelFacts:
    """
    Raises:
        OllamaError: they could not be had.
    """
    answer = fetch("POST", "/api/show", {"model": name}, seconds=SECONDS)
    info, details = _object(answer, "model_info"), _object(answer, "details")
    architecture = plain_text(info.get("general.architecture"))
    return ModelFacts(
        can_talk=_can_talk(answer.get("capabilities"), details),
        parameter_count=whole_number(info.get("general.parameter_count")),
        license=licence_name(info.get("general.license"), answer.get("license")),
        context_length=_context_length(info, architecture, plain_text(answer.get("parameters"))),
        layer_count=whole_number(info.get(f"{architecture}.block_count"), most=LARGEST_COUNT),
    )


def _listed(entry: Told) -> ListedModel | None:
    name = plain_text(entry.get("name"))
    if not name or entry.get("remote_host") or entry.get("remote_model"):
        return None
    return ListedModel(
        name=name,
        digest=plain_text(entry.get("digest")).removeprefix("sha256:")[:DIGEST_CHARACTERS],
        size_bytes=whole_number(entry.get("size")),
    )


def _can_talk(capabilities: Any, details: Told) -> bool:
    if isinstance(capabilities, list) and capabilities:
        return "completion" in capabilities
    return plain_text(details.get("family")) not in _EMBEDDING_FAMILIES


def _context_length(info: Told, architecture: str, parameters: str) -> int:
    """Of the model, or less where its maker set less; Ollama itself may keep less still."""
    longest = whole_number(info.get(f"{architecture}.context_length"), most=LARGEST_COUNT)
    for line in parameters.splitlines():
        name, _space, value = line.partition(" ")
        if name == "num_ctx" and value.strip().isdecimal():
            chosen = whole_number(int(value.strip()[:12]), most=LARGEST_COUNT)
            longest = min(longest or chosen, chosen)
    return longest or UNKNOWN_CONTEXT


def _object(answer: Told, name: str) -> Told:
    value = answer.get(name)
    return value if isinstance(value, dict) else {}
