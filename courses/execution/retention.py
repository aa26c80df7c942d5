"""Erase the work of classes that are over for as long as their leaders set, and tell them before.

What goes is the work in the class: enrolments with all that belongs to them, jobs, duels, offered rows, and who was a
student. Accounts and their own datasets stay. So does an enrolment with a certificate, emptied: it says whose it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.auditing import note_act
from accounts.models import Cohort, JoinRequest, Membership, Notification, RosterEntry, User
from accounts.notifications import notify
from chat.models import ChatSession
from courses.models import DueOverride, Enrolment, Feedback
from courses.personal_data import OF_ENROLMENTS
from courses.selectors.privacy import erased_on
from datasets_app.models import Contribution
from training.models import DeviceUsage, TrainingJob
from training.services.forgetting import forget_jobs

NOTICE = timedelta(days=14)
TOLD = "class_retention"


def erase_old_classes() -> int:
    """Look at every class that is kept for a time only; returns how many were erased. Twice does no more than once."""
    erased = 0
    limited = Cohort.objects.filter(ends_on__isnull=False, retention_days__isnull=False)
    for cohort in limited.order_by("pk"):
        day, today = erased_on(cohort), _today(cohort)
        assert day is not None
        if day <= today:
            erased += _erase(_Work(cohort))
        elif day - NOTICE <= today:
            _tell_leaders(cohort, day)
    return erased


def _today(cohort: Cohort) -> date:
    try:
        return timezone.localdate(timezone=ZoneInfo(cohort.time_zone) if cohort.time_zone else None)
    except (ZoneInfoNotFoundError, ValueError):
        return timezone.localdate()


def _tell_leaders(cohort: Cohort, day: date) -> None:
    """Once for each day that was ever set."""
    subject = f"retention:{cohort.pk}"
    told = Notification.objects.filter(kind=TOLD, subject=subject, params__on=f"{day}")
    leaders = cohort.memberships.filter(role__in=Membership.LEADERS, user__is_active=True)
    for user_id in leaders.exclude(user__in=told.values("user")).values_list("user_id", flat=True):
        notify(
            user_id,
            kind=TOLD,
            subject=subject,
            params={"name": cohort.name, "on": f"{day}"},
            path=f"/admin/classroom/{cohort.pk}/privacy/",
        )


@dataclass(frozen=True, slots=True)
class _Work:
    """What a class holds of people who do not lead or observe it, whether they are still in it or not."""

    cohort: Cohort

    @property
    def reviewers(self) -> QuerySet[User]:
        return User.objects.filter(
            memberships__cohort=self.cohort, memberships__role__in=Membership.REVIEWERS
        )

    @property
    def students(self) -> QuerySet[Membership]:
        return Membership.objects.filter(cohort=self.cohort, role=Membership.Role.STUDENT)

    @property
    def roster(self) -> QuerySet[RosterEntry]:
        return RosterEntry.objects.filter(cohort=self.cohort, role=Membership.Role.STUDENT)

    @property
    def enrolments(self) -> QuerySet[Enrolment]:
        return Enrolment.objects.filter(cohort=self.cohort).exclude(user__in=self.reviewers)

    @property
    def jobs(self) -> QuerySet[TrainingJob]:
        return TrainingJob.objects.filter(cohort=self.cohort).exclude(owner__in=self.reviewers)

    def is_gone(self) -> bool:
        found = (self.students, self.roster, self.enrolments, self.jobs)
        return not any(rows.exists() for rows in found)


def _erase(work: _Work) -> bool:
    """Whether there was something, and all is gone now; a job that a worker holds leaves the rest for the next time."""
    if work.is_gone() or not forget_jobs(work.jobs):
        return False
    with transaction.atomic():
        # Of two workers at once the second one finds nothing more.
        cohort = Cohort.objects.select_for_update().get(pk=work.cohort.pk)
        if cohort.audit_events.filter(kind="data_retained").exists() and work.is_gone():
            return False
        count = work.students.count()
        _erase_traces(cohort, work.reviewers)
        _erase_enrolments(work.enrolments)
        work.roster.delete()
        work.students.delete()
        # Nobody comes into a class whose work is erased every hour.
        cohort.status = Cohort.Status.CLOSED
        cohort.join_code, cohort.join_code_expires_at = "", None
        cohort.save(update_fields=["status", "join_code", "join_code_expires_at"])
        note_act(None, "data_retained", cohort=cohort, students=count)
    return True


def _erase_enrolments(enrolments: QuerySet[Enrolment]) -> None:
    certified = enrolments.filter(certificate__isnull=False)
    for model in OF_ENROLMENTS.values():
        model._default_manager.filter(enrolment__in=certified).delete()
    Feedback.objects.filter(enrolment__in=certified).delete()
    enrolments.filter(certificate__isnull=True).delete()
    certified.update(cohort=None, last_step_key="", active_seconds=0)


def _erase_traces(cohort: Cohort, reviewers: QuerySet[User]) -> None:
    Feedback.objects.filter(cohort=cohort, enrolment=None).exclude(student__in=reviewers).delete()
    DueOverride.objects.filter(cohort_course__cohort=cohort).delete()
    ChatSession.objects.filter(cohort=cohort).exclude(owner__in=reviewers).delete()
    Contribution.objects.filter(dataset__cohort=cohort).exclude(author__in=reviewers).delete()
    DeviceUsage.objects.filter(cohort=cohort).exclude(user__in=reviewers).delete()
    JoinRequest.objects.filter(cohort=cohort).delete()
