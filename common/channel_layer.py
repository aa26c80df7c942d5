"""Tell the sockets of one group that something changed. A hint only: the database is the truth."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from redis.exceptions import RedisError

from common.redis_pause import redis_pause

SEND_SECONDS = 2.0
"""The layer's own time-out must be longer than its blocking reads."""

logger = logging.getLogger(__name__)


def publish(group: str, event: dict[str, Any]) -> None:
    """Send event to the group; when Redis is away it is dropped, and pages find out by polling."""
    if redis_pause.is_on:
        return
    try:
        async_to_sync(_send)(group, event)
    except (RedisError, OSError) as error:
        redis_pause.begin()
        logger.warning("event for %s not sent: %s", group, error)


async def _send(group: str, event: dict[str, Any]) -> None:
    async with asyncio.timeout(SEND_SECONDS):
        await get_channel_layer().group_send(group, event)
