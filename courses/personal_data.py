"""What courses keep about a person: how far they are and what showed it, what was said, certificates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common.personal_data import Item, PersonalData, rows
from courses.models import (
    Certificate,
    CheckResult,
    DueOverride,
    Enrolment,
    Evidence,
    Feedback,
    HelpRequest,
    HiddenMeasurement,
    HintView,
    PageView,
    PinnedJob,
    QuizAnswer,
    Reflection,
    ScoreEvent,
    StepProgress,
)

OF_ENROLMENTS: dict[str, Any] = {
    "progress": StepProgress,
    "evidence": Evidence,
    "check_results": CheckResult,
    "quiz_answers": QuizAnswer,
    "reflections": Reflection,
    "hints_seen": HintView,
    "scores": ScoreEvent,
    "requests_for_help": HelpRequest,
    "hidden_measurements": HiddenMeasurement,
}
"""Files of the archive, and the tables whose rows belong to an enrolment."""


def _collect_progress(user: User) -> Iterator[Item]:
    yield "courses/enrolments.json", rows(Enrolment.objects.filter(user=user))
    for name, model in OF_ENROLMENTS.items():
        own = model._default_manager.filter(enrolment__user=user)
        yield f"courses/{name}.json", rows(own, without=["actor_id", "helper_id"])
    yield "courses/pages_seen.json", rows(PageView.objects.filter(user=user))


def _erase_progress(user: User) -> None:
    Enrolment.objects.filter(user=user).delete()
    PageView.objects.filter(user=user).delete()
    ScoreEvent.objects.filter(actor=user).update(actor=None)
    HelpRequest.objects.filter(helper=user).update(helper=None)


def _collect_teaching(user: User) -> Iterator[Item]:
    mine = Feedback.objects.filter(Q(student=user) | Q(author=user))
    yield "courses/feedback.json", rows(mine, without=["student_id", "author_id"])
    dates = DueOverride.objects.filter(user=user)
    yield "courses/extensions.json", rows(dates, without=["granted_by_id"])
    pinned = PinnedJob.objects.filter(Q(job__owner=user) | Q(pinned_by=user))
    yield "courses/pinned_jobs.json", rows(pinned, without=["pinned_by_id"])


def _erase_teaching(user: User) -> None:
    Feedback.objects.filter(student=user).delete()
    Feedback.objects.filter(author=user).update(author=None)
    DueOverride.objects.filter(user=user).delete()
    DueOverride.objects.filter(granted_by=user).update(granted_by=None)
    PinnedJob.objects.filter(job__owner=user).delete()
    PinnedJob.objects.filter(pinned_by=user).update(pinned_by=None)


def _collect_certificates(user: User) -> Iterator[Item]:
    yield "courses/certificates.json", rows(Certificate.objects.filter(enrolment__user=user))


def _erase_certificates(user: User) -> None:
    """What they prove stays true; whom they name is gone. Before the enrolments, which say whose they are."""
    with transaction.atomic():
        own = Certificate.objects.filter(enrolment__user=user)
        own.update(name="", enrolment=None)


PARTS = (
    PersonalData(
        app="courses",
        name="progress",
        describe=_(
            "How far you are in courses, and what showed it: answers, reflections, checks, scores, "
            "measurements on hidden questions, and which pages and hints you opened."
        ),
        models=(Enrolment, PageView, *OF_ENROLMENTS.values()),
        collect=_collect_progress,
        erase=_erase_progress,
    ),
    PersonalData(
        app="courses",
        name="teaching",
        describe=_(
            "Feedback, later due dates and examples: given to you, or by you. "
            "What you gave others stays after an erasure, without your name."
        ),
        models=(Feedback, DueOverride, PinnedJob),
        collect=_collect_teaching,
        erase=_erase_teaching,
    ),
    PersonalData(
        app="courses",
        name="certificates",
        describe=_(
            "Your certificates. After an erasure they can still be verified, but name nobody."
        ),
        models=(Certificate,),
        collect=_collect_certificates,
        erase=_erase_certificates,
    ),
)
