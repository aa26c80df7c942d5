"""API calls of training, over the same services and selectors as the pages."""

from __future__ import annotations

# Importing a module of calls adds them to the router.
from training.api import jobs, presets  # noqa: F401
from training.api.router import router

__all__ = ["router"]
