"""API calls about datasets, over the same services and selectors as the pages."""

from __future__ import annotations

# Importing a module of calls adds them to the router.
from datasets_app.api import datasets, imports, preview, sharing, versions  # noqa: F401
from datasets_app.api.router import router

__all__ = ["router"]
