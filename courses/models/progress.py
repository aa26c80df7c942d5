"""How far a person is in a course: a fold of the facts, kept so that it need not be folded anew, never backwards."""

from __future__ import annotations

from typing import Self

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Cohort
from common.models import UuidModel
from courses.models.content import Course, CourseVersion


class EnrolmentQuerySet(models.QuerySet["Enrolment"]):
    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        return self.filter(user_id=user.pk) if user.is_authenticated else self.none()


class Enrolment(UuidModel):
    """One person in one course, alone or with a cohort.

    Attributes:
        version: the cohort's, or the newest when a person alone began.
        last_step_key: where to go on.
        active_seconds: for which pages of it were open in front of the person.
    """

    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="enrolments")
    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="enrolments")
    version = models.ForeignKey(CourseVersion, on_delete=models.PROTECT, related_name="enrolments")
    cohort = models.ForeignKey(
        Cohort, on_delete=models.SET_NULL, null=True, blank=True, related_name="enrolments"
    )
    last_step_key = models.CharField(max_length=60, blank=True)
    active_seconds = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField(auto_now_add=True)
    completed_at = models.DateTimeField(null=True, blank=True)

    objects = EnrolmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("enrolment")
        verbose_name_plural = _("enrolments")
        ordering = ["course__level", "started_at"]
        constraints = [
            models.UniqueConstraint(fields=["user", "course"], name="enrolment_once_a_course")
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.course}"


class StepProgress(UuidModel):
    """One person at one step.

    Attributes:
        tries: looks at its checks that did not pass.
        fails_in_row: of the same check, since it last changed.
        checks: the newest result of each check, by its key (courses.checks.results).
    """

    class State(models.TextChoices):
        AVAILABLE = "available", _("Open")
        WORKING = "working", _("In progress")
        WAITING = "waiting", _("Waiting")
        PASSED = "passed", _("Passed")
        EXEMPT = "exempt", _("Exempt")

    DONE = (State.PASSED, State.EXEMPT)

    enrolment = models.ForeignKey(Enrolment, on_delete=models.CASCADE, related_name="steps")
    step_key = models.CharField(max_length=60)
    state = models.CharField(_("state"), max_length=9, choices=State, default=State.AVAILABLE)
    checks = models.JSONField(default=dict)
    tries = models.PositiveIntegerField(default=0)
    fails_in_row = models.PositiveIntegerField(default=0)
    active_seconds = models.PositiveIntegerField(default=0)
    first_opened_at = models.DateTimeField(null=True, blank=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    passed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("progress at a step")
        verbose_name_plural = _("progress at steps")
        ordering = ["enrolment", "step_key"]
        constraints = [
            models.UniqueConstraint(fields=["enrolment", "step_key"], name="step_progress_once"),
            models.CheckConstraint(
                name="step_passed_has_time",
                condition=~Q(state="passed") | Q(passed_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.step_key} {self.state}"
