"""Reads of sets and of their runs, scoped to a user."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import ValidationError
from django.db.models import Prefetch, QuerySet
from django.utils.translation import gettext as _

from chat.models import Answerer, PromptRun, PromptSet, Reply
from common.errors import NotFoundError

Person = AbstractBaseUser | AnonymousUser


def sets_of(user: Person) -> QuerySet[PromptSet]:
    """A person's own, the one changed last first."""
    return PromptSet.objects.visible_to(user).order_by("-updated_at", "pk")


def get_set(user: Person, set_id: UUID | str) -> PromptSet:
    """
    Raises:
        NotFoundError: no such set, or it is somebody else's.
    """
    found: PromptSet | None = _first(PromptSet.objects.visible_to(user), set_id)
    if found is None:
        raise NotFoundError(_("There is no prompt set with this id, or it is not yours."))
    return found


def runs_of(user: Person) -> QuerySet[PromptRun]:
    """A person's own with their models, newest first."""
    owner_id = user.pk if user.is_authenticated else None
    answerers = Answerer.objects.select_related("base_model")
    return (
        PromptRun.objects.filter(session__owner_id=owner_id)
        .select_related("session")
        .prefetch_related(Prefetch("session__answerers", answerers))
        .order_by("-created_at", "pk")
    )


def get_run(user: Person, run_id: UUID | str) -> PromptRun:
    """
    Raises:
        NotFoundError: no such run, or it is somebody else's.
    """
    found: PromptRun | None = _first(runs_of(user), run_id)
    if found is None:
        raise NotFoundError(_("There is no run of a prompt set with this id, or it is not yours."))
    return found


def answer_texts(run: PromptRun) -> dict[str, tuple[str, str]]:
    """Text and finish reason of each answer, by the reply's id."""
    rows = Reply.objects.filter(message__session=run.session_id, scored_text="")
    return {
        str(pk): (text, reason)
        for pk, text, reason in rows.values_list("pk", "text", "finish_reason")
    }


def _first(rows: QuerySet[Any], wanted: UUID | str) -> Any:
    try:
        return rows.filter(pk=wanted).first()
    except (ValidationError, ValueError):
        return None
