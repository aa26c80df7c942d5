"""What programs may ask of the API."""

from __future__ import annotations

API_TOKEN_MAX_DAYS = 90
IDEMPOTENCY_HOURS = 24
