"""People, the cohorts that they learn in, what they are told, and who did what."""

from __future__ import annotations

from accounts.models.cohorts import Cohort, CohortQuerySet, JoinRequest, Membership, RosterEntry
from accounts.models.compute import ClassWindow, ComputePolicy
from accounts.models.notifications import Notification
from accounts.models.people import ApiToken, IdempotencyKey, User
from accounts.models.privacy import AuditEvent, DataRequest

__all__ = [
    "ApiToken",
    "AuditEvent",
    "ClassWindow",
    "Cohort",
    "CohortQuerySet",
    "ComputePolicy",
    "DataRequest",
    "IdempotencyKey",
    "JoinRequest",
    "Membership",
    "Notification",
    "RosterEntry",
    "User",
]
