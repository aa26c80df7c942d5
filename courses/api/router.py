"""The router to which the modules of this package add their calls."""

from __future__ import annotations

from ninja import Router

router = Router(tags=["courses"])
