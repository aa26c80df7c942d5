"""Tell the sockets of one group that something changed. A hint only: the database is the truth."""

from __future__ import annotations

import logging
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


def publish(group: str, event: dict[str, Any]) -> None:
    """Send event to the group; when Redis is away it is dropped, and pages find out by polling."""
    try:
        async_to_sync(get_channel_layer().group_send)(group, event)
    except (RedisError, OSError) as error:
        logger.warning("event for %s not sent: %s", group, error)
