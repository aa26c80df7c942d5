"""What waits for a device: jobs, their leases, and replies."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from llmlora_site.settings.database import DATABASE_URL
from llmlora_site.settings.environment import env

# Live updates are hints: at two a second a page feels live and a class of forty stays cheap.
LIVE_EVENT_INTERVAL_SECONDS = 0.5
REPLY_FLUSH_INTERVAL_SECONDS = 0.1
# Of a worker that writes many replies at once; people read as comfortably, and the database has less to do.
MOST_REPLY_FLUSH_INTERVAL_SECONDS = 0.25
LEASE_SECONDS = env.float("LLMLORA_LEASE_SECONDS", default=60)
PATROL_INTERVAL_SECONDS = env.float("LLMLORA_PATROL_SECONDS", default=5)
# Attempts that a lost worker or a dead engine may end; the user's own errors are never tried again.
MAX_ATTEMPTS = 3
# Before the second attempt; four times as long before the third.
LOSS_BACKOFF_SECONDS = env.float("LLMLORA_LOSS_BACKOFF_SECONDS", default=10)
# Workers of several hosts share no folder: checkpoints then stand in storage too.
CHECKPOINTS_IN_STORAGE = env.bool("LLMLORA_CHECKPOINTS_IN_STORAGE", default=bool(DATABASE_URL))
# So long a job that failed or was cancelled can be resumed from its checkpoint.
CHECKPOINT_HOURS = 24
# The engine runs the job with the least left to do first; what it holds beside that one waits a little for its turn.
JOBS_PER_DEVICE = env.int("LLMLORA_JOBS_PER_DEVICE", default=4)
if JOBS_PER_DEVICE < 1:
    raise ImproperlyConfigured(
        "LLMLORA_JOBS_PER_DEVICE must be 1 or more; with less no job would ever run."
    )
# Among people who wait, who used a device least in these days goes first; their class may set other limits.
USAGE_DAYS = 7
MAX_RUNNING_JOBS_PER_PERSON = 1
# After so long a wait it does not count any more what somebody has used: nobody waits for ever.
QUEUE_AGEING_SECONDS = 3600.0
# Replies that a worker hands to its engine at once; 0: as many as the engine decodes together on the worker's device.
CHAT_SLOTS = env.int("LLMLORA_CHAT_SLOTS", default=0)
CHAT_REPLIES_PER_OWNER = env.int("LLMLORA_CHAT_REPLIES_PER_OWNER", default=4)
if CHAT_SLOTS < 0 or CHAT_REPLIES_PER_OWNER < 1:
    raise ImproperlyConfigured(
        "LLMLORA_CHAT_SLOTS must be 0 or more and LLMLORA_CHAT_REPLIES_PER_OWNER 1 or more; "
        "with less no message would ever be answered."
    )
# Beyond these a new message is refused with the time to try again: a queue nobody outlives helps nobody.
CHAT_WAITING_PER_OWNER = 8
CHAT_WAITING_IN_ALL = 200
CHAT_MESSAGES_PER_MINUTE = 30
# Threads wait on the engine's pipe, so they cost little; each held job keeps one. However many jobs a worker may hold,
# a message for its other work always finds a thread.
CELERY_WORKER_CONCURRENCY = max(env.int("LLMLORA_WORKER_THREADS", default=8), JOBS_PER_DEVICE + 4)
CELERY_WORKER_POOL = "threads"
