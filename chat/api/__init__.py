"""API calls about chats, over the same services and selectors as the pages."""

from __future__ import annotations

# Importing a module of calls adds them to the router.
from chat.api import (  # noqa: F401
    arena,
    branching,
    generating,
    judging,
    prompt_runs,
    prompt_sets,
    sessions,
    voting,
)
from chat.api.router import router

__all__ = ["router"]
