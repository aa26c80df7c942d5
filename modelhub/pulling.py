"""Ask Ollama for a model, and stop it again; only instructors may."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.models import User
from common.errors import (
    ConflictError,
    Fault,
    ForbiddenError,
    InvalidInputError,
    UnavailableError,
)
from common.poke import poke_on_commit
from modelhub.models import ModelPull
from modelhub.ollama.address import is_configured
from modelhub.ollama.names import full_name
from modelhub.pulling_lifecycle import ACTIVE, request_pull_cancel
from modelhub.tasks import pull_model


def may_pull(person: User) -> bool:
    return bool(person.is_active and person.is_staff)


def check_may_pull(person: User) -> None:
    """
    Raises:
        ForbiddenError: the person is no instructor.
    """
    if not may_pull(person):
        raise ForbiddenError(
            _("Only instructors may fetch models. Ask yours for the model that you need.")
        )


def request_pull(actor: User, name: str) -> ModelPull:
    """Queue the fetching of a model; the pull that is under way already, where there is one of the same name.

    Raises:
        ForbiddenError: the person is no instructor.
        InvalidInputError: there can be no such model.
        UnavailableError: no Ollama is set up here.
    """
    check_may_pull(actor)
    full = full_name(name)
    if full is None:
        raise InvalidInputError(
            _("The model was not fetched, because its name can not be right."),
            faults=[Fault(_bad_name(name), field="name")],
        )
    if not is_configured():
        raise UnavailableError(
            _(
                "No Ollama is set up on this server, so no model can be fetched. "
                "Set OLLAMA_URL for the web server and its workers, then start them again."
            )
        )
    try:
        with transaction.atomic():
            return _under_way(full) or _queue(actor, full)
    except IntegrityError:
        # Somebody else asked for it at the same moment.
        pull = _under_way(full)
        if pull is None:
            raise
        return pull


def stop_pull(actor: User, pull: ModelPull) -> None:
    """A waiting pull ends at once, a running one within a second or two.

    Raises:
        ForbiddenError: the person is no instructor.
        ConflictError: it has ended already.
    """
    check_may_pull(actor)
    if not request_pull_cancel(pull.pk):
        raise ConflictError(_("This pull has ended already, so there is nothing to stop."))


def _under_way(full: str) -> ModelPull | None:
    return ModelPull.objects.filter(name=full, status__in=ACTIVE).first()


def _queue(actor: User, full: str) -> ModelPull:
    pull = ModelPull.objects.create(name=full, requested_by=actor)
    poke_on_commit(pull_model, str(pull.pk))
    return pull


def _bad_name(name: str) -> str:
    if not name.strip():
        return _("Write the name of a model, for example %(example)s.") % {"example": "llama3.2:1b"}
    return _(
        "Ollama can have no model named “%(name)s”. Write the name as ollama.com/library has it, "
        "for example %(example)s, or that of a GGUF model on hf.co, for example %(other)s."
    ) % {
        "name": name.strip()[:80],
        "example": "llama3.2:1b",
        "other": "hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M",
    }
