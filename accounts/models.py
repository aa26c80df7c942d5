"""People, the cohorts that they learn in, and their API tokens."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AbstractUser, AnonymousUser
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from common.models import UuidModel


class User(AbstractUser):
    """A student, an instructor (is_staff) or the owner of the installation (is_superuser)."""

    class Theme(models.TextChoices):
        SYSTEM = "system", _("As the device")
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

    display_name = models.CharField(_("display name"), max_length=80, blank=True)
    language = models.CharField(_("language"), max_length=8, blank=True, choices=settings.LANGUAGES)
    theme = models.CharField(_("theme"), max_length=8, choices=Theme, default=Theme.SYSTEM)
    mails_job_end = models.BooleanField(
        _("mail when a training job ends"),
        default=True,
        help_text=_("Where the server can send mail, and you gave an address."),
    )

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")

    def __str__(self) -> str:
        return self.display_name or self.username


class CohortQuerySet(models.QuerySet["Cohort"]):
    def of(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        """Cohorts in which user has any role."""
        return self.filter(memberships__user_id=user.pk) if user.is_authenticated else self.none()

    def led_by(self, user: AbstractBaseUser | AnonymousUser) -> Self:
        """Cohorts whose students' work user reviews."""
        if not user.is_authenticated:
            return self.none()
        return self.filter(memberships__user_id=user.pk, memberships__role__in=Membership.LEADERS)


class Cohort(UuidModel):
    """A class: people who learn together and share datasets."""

    name = models.CharField(_("name"), max_length=120)
    dataset_quota_bytes = models.PositiveBigIntegerField(
        _("space for datasets, bytes"), default=settings.COHORT_DATASET_BYTES
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = CohortQuerySet.as_manager()

    class Meta:
        verbose_name = _("cohort")
        verbose_name_plural = _("cohorts")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Membership(UuidModel):
    """What one person is in one cohort."""

    class Role(models.TextChoices):
        STUDENT = "student", _("Student")
        ASSISTANT = "assistant", _("Teaching assistant")
        INSTRUCTOR = "instructor", _("Instructor")
        OBSERVER = "observer", _("Observer")

    LEADERS = (Role.ASSISTANT, Role.INSTRUCTOR)

    cohort = models.ForeignKey(Cohort, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(_("role"), max_length=12, choices=Role, default=Role.STUDENT)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = [
            models.UniqueConstraint(fields=["cohort", "user"], name="membership_once_per_cohort")
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.cohort_id}"


class ComputePolicy(models.Model):
    """How much of the devices a cohort's students may take; an empty limit is none.

    Among students who wait, the one who used the fewest device seconds for their weight goes first.
    """

    cohort = models.OneToOneField(Cohort, on_delete=models.CASCADE, related_name="compute_policy")
    weight = models.FloatField(
        _("weight"),
        default=1.0,
        validators=[MinValueValidator(0.01), MaxValueValidator(100.0)],
        help_text=_("A cohort of weight 2 gets twice the device time of one of weight 1."),
    )
    max_running_jobs = models.PositiveIntegerField(
        _("running jobs per student"), default=1, validators=[MinValueValidator(1)]
    )
    max_queued_jobs = models.PositiveIntegerField(
        _("waiting jobs per student"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    max_rank = models.PositiveIntegerField(_("highest rank"), null=True, blank=True)
    max_steps = models.PositiveIntegerField(_("most steps of a job"), null=True, blank=True)
    max_device_seconds = models.PositiveIntegerField(
        _("device seconds per student and day"), null=True, blank=True
    )
    is_paused = models.BooleanField(
        _("paused"), default=False, help_text=_("Nothing of this cohort starts while it is paused.")
    )

    class Meta:
        verbose_name = _("compute policy")
        verbose_name_plural = _("compute policies")

    def __str__(self) -> str:
        return str(self.cohort)


class ClassWindow(UuidModel):
    """A time for which the devices are reserved for one cohort: its jobs go first."""

    cohort = models.ForeignKey(Cohort, on_delete=models.CASCADE, related_name="class_windows")
    starts_at = models.DateTimeField(_("starts"))
    ends_at = models.DateTimeField(_("ends"))

    class Meta:
        verbose_name = _("class window")
        verbose_name_plural = _("class windows")
        ordering = ["starts_at"]
        constraints = [
            models.CheckConstraint(
                name="class_window_ends_after_start",
                condition=models.Q(ends_at__gt=models.F("starts_at")),
            )
        ]

    def __str__(self) -> str:
        return f"{self.starts_at:%Y-%m-%d %H:%M}"


class Notification(UuidModel):
    """Something that happened while its reader may have been elsewhere.

    kind and params make the sentence in the reader's language; path is where it leads.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notifications"
    )
    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=64)
    params = models.JSONField(default=dict)
    path = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(null=True, blank=True)
    mailed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        ordering = ["-created_at"]
        indexes = [
            # The bell counts one reader's unseen ones on every page.
            models.Index(fields=["user", "seen_at"], name="notification_unseen"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "kind", "subject"], name="notification_once_a_subject"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"


class ApiToken(UuidModel):
    """A bearer token; only its digest is kept."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens"
    )
    name = models.CharField(_("name"), max_length=80)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"))
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name


class IdempotencyKey(models.Model):
    """The object that a POST with this key has already made."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    scope = models.CharField(max_length=60)
    key = models.CharField(max_length=200)
    object_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "scope", "key"], name="idempotency_key_once")
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.key}"
