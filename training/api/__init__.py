"""API calls of training, over the same services and selectors as the pages."""

from __future__ import annotations

# Importing a module of calls adds them to the router.
from training.api import (  # noqa: F401
    comparing,
    curves,
    estimate,
    jobs,
    organising,
    presets,
    queue,
    scripting,
    sharing,
    sweeps,
)
from training.api.router import router

__all__ = ["router"]
