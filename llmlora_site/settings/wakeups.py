"""Redis: wake-ups and live events only; it may be emptied at any time."""

from __future__ import annotations

from llmlora_site.settings.environment import LLMLORA_HOME, env

REDIS_URL = env.str("REDIS_URL", default="") or f"unix://{LLMLORA_HOME.redis_socket}"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {
            # The layer waits for a message 5 s at a time; the client library gives up after 5 s as well by
            # default, and a socket that heard nothing for that long would close.
            "hosts": [{"address": REDIS_URL, "socket_connect_timeout": 2, "socket_timeout": 15}],
            "prefix": "llmlora:asgi",
            # Capacity is counted per web process, not per socket; the default of 100 drops events of a full class.
            "capacity": 2000,
            "expiry": 30,
            "group_expiry": 7200,
        },
    }
}
CELERY_BROKER_URL = (
    REDIS_URL.replace("unix://", "redis+socket://", 1)
    if REDIS_URL.startswith("unix://")
    else REDIS_URL
)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
# The row and its lease are the truth; a message is a poke and may be lost or come twice.
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "global_keyprefix": "llmlora:",
    # Whoever starts a job waits this long for a Redis that takes connections and answers nothing.
    "socket_timeout": 4,
    "socket_connect_timeout": 2,
    "health_check_interval": 15,
}
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.2,
    "interval_max": 0.2,
}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
