"""Servers that do not answer at the moment: noted beside the models that they answer for, and told in a sentence.

A model stays offered meanwhile. What was seen a minute ago may be over, and whoever writes is told how it ended.
"""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from modelhub.chat_servers import server_of_model
from modelhub.models import BaseModel


def note_trouble(rows: QuerySet[BaseModel], trouble: str) -> None:
    """Keep what was seen last; empty where all is well."""
    rows.exclude(trouble=trouble).update(trouble=trouble)


def trouble_sentence(base_model: BaseModel) -> str:
    """Why its server will hardly answer now, and what to do; empty where it does."""
    if not base_model.trouble:
        return ""
    server = server_of_model(base_model.name)
    name = "Ollama" if server is None else server.name
    if base_model.trouble == BaseModel.Trouble.KEY:
        return _(
            "“%(server)s” refused this installation when it was last asked. "
            "Choose another model, or ask your instructor to check its key."
        ) % {"server": name}
    return _(
        "“%(server)s” did not answer when it was last asked. It may be switched off or starting again: "
        "try again in a minute, choose another model, or tell your instructor."
    ) % {"server": name}
