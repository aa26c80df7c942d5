"""API calls about people, their classes and what happened, over the same services and selectors as the pages."""

from __future__ import annotations

from accounts.api.account import router
from accounts.api.cohorts import router as cohorts_router
from accounts.api.data import router as data_router
from accounts.api.notifications import router as notifications_router

__all__ = ["cohorts_router", "data_router", "notifications_router", "router"]
