"""API calls about courses and the classes that take them, over the same services and selectors as the pages."""

from __future__ import annotations

# Importing a module of calls adds them to the router.
from courses.api import certificates, classes, courses, due_dates, helping, measuring, opening  # noqa: F401
from courses.api.router import router

__all__ = ["router"]
