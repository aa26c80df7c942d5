"""Keep one's chats in order: name, settings, deletion."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from chat.models import ChatSession
from chat.services.settings import read_settings
from chat.services.texts import clean_name
from common.errors import Fault, InvalidInputError


def rename_session(session: ChatSession, name: str) -> ChatSession:
    """Raises InvalidInputError when the name is empty."""
    session.name = clean_name(name)
    if not session.name:
        raise InvalidInputError(
            _("Give the chat a name."), faults=[Fault(_("Give the chat a name."), field="name")]
        )
    session.save(update_fields=["name", "updated_at"])
    return session


def delete_session(session: ChatSession) -> None:
    """Delete the conversation; a reply under way is stopped by the missing row."""
    session.delete()


def change_settings(session: ChatSession, changes: dict[str, Any]) -> ChatSession:
    """Change the system prompt or the sampling that messages start from; what is not named stays.

    Both hold from the next message on: what was answered before stays as it is.

    Raises:
        InvalidInputError: with every fault.
    """
    faults: list[Fault] = []
    clean = read_settings({**session.settings, **changes}, faults)
    if faults:
        raise InvalidInputError(
            _("The chat was not changed, because some settings can not be used."), faults=faults
        )
    session.settings = clean
    session.save(update_fields=["settings", "updated_at"])
    return session
