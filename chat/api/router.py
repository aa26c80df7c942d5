"""The router that the modules of this package add their calls to."""

from __future__ import annotations

from ninja import Router

router = Router(tags=["chat"])
