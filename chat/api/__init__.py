"""API calls about chats, over the same services and selectors as the pages."""

from __future__ import annotations

# Importing a module of calls adds them to the router.
from chat.api import branching, generating, judging, sessions  # noqa: F401
from chat.api.router import router

__all__ = ["router"]
