"""Legal state changes of a training job. Queues nothing, so services and workers both may call it.

Every change is a conditional UPDATE: one changed row means that it is ours, none means that somebody was first.

pending -> running -> completed | failed | cancelled; pending -> cancelled; running -> pending when a worker gives it
back or is lost; failed | cancelled -> pending when its owner resumes it.
"""

from __future__ import annotations

from training.lifecycle.asking import request_cancel, request_stop
from training.lifecycle.claiming import claim_next
from training.lifecycle.ending import complete, fail, finish_cancelled, job_path
from training.lifecycle.lease import Lease, LeaseLostError, Progress, Request
from training.lifecycle.recording import record
from training.lifecycle.returning import lose, release, requeue

__all__ = [
    "Lease",
    "LeaseLostError",
    "Progress",
    "Request",
    "claim_next",
    "complete",
    "fail",
    "finish_cancelled",
    "job_path",
    "lose",
    "record",
    "release",
    "request_cancel",
    "request_stop",
    "requeue",
]
