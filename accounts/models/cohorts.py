"""Cohorts: who learns together, in which role, and how one gets in."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from common.models import UuidModel


class CohortQuerySet(models.QuerySet["Cohort"]):
    def of(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        """Cohorts in which user has any role."""
        return self.filter(memberships__user_id=user.pk) if user.is_authenticated else self.none()

    def reviewed_by(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        """Cohorts whose students' work user may look at, without changing it."""
        if not user.is_authenticated:
            return self.none()
        return self.filter(memberships__user_id=user.pk, memberships__role__in=Membership.REVIEWERS)

    def led_by(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        """Cohorts whose students' work user reviews."""
        if not user.is_authenticated:
            return self.none()
        return self.filter(memberships__user_id=user.pk, memberships__role__in=Membership.LEADERS)


class Cohort(UuidModel):
    """A class: people who learn together and share datasets.

    Attributes:
        language: in which its pages for the projector and its mails are written; empty for the reader's.
        time_zone: IANA name, in which its dates are shown and entered; empty for the server's.
        join_code: empty when nobody can join by a code.
        directory_group: whoever signs in through the school's directory with this group joins; empty for nobody.
        retention_days: after its end; then its people's work is erased. Empty for never.
    """

    class Status(models.TextChoices):
        OPEN = "open", _("Open")
        CLOSED = "closed", _("Closed")

    name = models.CharField(_("name"), max_length=120)
    status = models.CharField(
        _("status"),
        max_length=6,
        choices=Status,
        default=Status.OPEN,
        help_text=_("Nobody can join a closed class; its work stays."),
    )
    language = models.CharField(_("language"), max_length=8, blank=True, choices=settings.LANGUAGES)
    time_zone = models.CharField(
        _("time zone"), max_length=64, blank=True, help_text=_("Such as Asia/Tokyo.")
    )
    starts_on = models.DateField(_("first day"), null=True, blank=True)
    ends_on = models.DateField(_("last day"), null=True, blank=True)
    seats = models.PositiveIntegerField(
        _("seats"), null=True, blank=True, help_text=_("For students; empty for no limit.")
    )
    join_code = models.CharField(max_length=16, blank=True, editable=False)
    join_code_expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    directory_group = models.CharField(
        _("group of the school's directory"),
        max_length=200,
        blank=True,
        help_text=_(
            "Written as the directory tells it. Whoever signs in through the directory and is in this group joins."
        ),
    )
    needs_approval = models.BooleanField(
        _("approve who joins"),
        default=False,
        help_text=_(
            "Who joins by the code or the group waits until somebody who leads the class lets them in."
        ),
    )
    retention_days = models.PositiveIntegerField(
        _("days kept after the last day"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text=_("Then the work of its students in it is erased; empty for never."),
    )
    dataset_quota_bytes = models.PositiveBigIntegerField(
        _("space for datasets, bytes"), default=settings.COHORT_DATASET_BYTES
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = CohortQuerySet.as_manager()

    class Meta:
        verbose_name = _("cohort")
        verbose_name_plural = _("cohorts")
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                name="cohort_ends_after_start",
                condition=Q(starts_on__isnull=True)
                | Q(ends_on__isnull=True)
                | Q(ends_on__gte=F("starts_on")),
            ),
            models.UniqueConstraint(
                fields=["join_code"], name="cohort_join_code_once", condition=~Q(join_code="")
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Membership(UuidModel):
    """What one person is in one cohort.

    Attributes:
        pseudonym: a number that stands for a made-up name on projected pages (courses.selectors.names).
    """

    class Role(models.TextChoices):
        STUDENT = "student", _("Student")
        ASSISTANT = "assistant", _("Teaching assistant")
        INSTRUCTOR = "instructor", _("Instructor")
        OBSERVER = "observer", _("Observer")

    class Source(models.TextChoices):
        ADMIN = "admin", _("Entered")
        CODE = "code", _("Join code")
        ROSTER = "roster", _("Roster")
        SSO = "sso", _("Group of the directory")

    LEADERS = (Role.ASSISTANT, Role.INSTRUCTOR)
    REVIEWERS = (*LEADERS, Role.OBSERVER)

    cohort = models.ForeignKey(Cohort, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(_("role"), max_length=12, choices=Role, default=Role.STUDENT)
    source = models.CharField(_("joined by"), max_length=6, choices=Source, default=Source.ADMIN)
    pseudonym = models.PositiveIntegerField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = [
            models.UniqueConstraint(fields=["cohort", "user"], name="membership_once_per_cohort"),
            models.UniqueConstraint(
                fields=["cohort", "pseudonym"], name="membership_pseudonym_once"
            ),
        ]

    def __str__(self) -> str:
        return str(self.get_role_display())


class JoinRequest(UuidModel):
    """Somebody with the code or the group of a cohort that approves who joins; the row goes when it is decided."""

    cohort = models.ForeignKey(Cohort, on_delete=models.CASCADE, related_name="join_requests")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="join_requests"
    )
    source = models.CharField(
        max_length=6, choices=Membership.Source, default=Membership.Source.CODE
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("request to join")
        verbose_name_plural = _("requests to join")
        ordering = ["created_at"]
        constraints = [models.UniqueConstraint(fields=["cohort", "user"], name="join_request_once")]

    def __str__(self) -> str:
        return f"{self.user_id} to {self.cohort_id}"


class RosterEntry(UuidModel):
    """Somebody who is expected in a cohort; who signs in with this address or user name is in it.

    Attributes:
        email: lower case; may be empty where a user name is given.
        claimed_by: who it turned out to be.
    """

    cohort = models.ForeignKey(Cohort, on_delete=models.CASCADE, related_name="roster")
    email = models.EmailField(_("email"), blank=True)
    username = models.CharField(_("user name"), max_length=150, blank=True)
    name = models.CharField(_("name"), max_length=80, blank=True)
    role = models.CharField(
        _("role"), max_length=12, choices=Membership.Role, default=Membership.Role.STUDENT
    )
    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="roster_entries",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("roster entry")
        verbose_name_plural = _("roster entries")
        ordering = ["name", "email", "username"]
        constraints = [
            models.UniqueConstraint(
                fields=["cohort", "email"], name="roster_email_once", condition=~Q(email="")
            ),
            models.UniqueConstraint(
                fields=["cohort", "username"],
                name="roster_username_once",
                condition=~Q(username=""),
            ),
            models.CheckConstraint(
                name="roster_entry_names_somebody", condition=~Q(email="") | ~Q(username="")
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.email or self.username
