"""What those who lead a class add to a course: help, feedback, examples, later dates, certificates."""

from __future__ import annotations

from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Cohort
from common.models import UuidModel
from courses.models.content import CohortCourse, CourseVersion
from courses.models.progress import Enrolment


class HelpRequest(UuidModel):
    """A raised hand at a step; one at a time for a person and a course.

    Attributes:
        text: what the person wrote, or nothing.
        helper: who claimed it.
    """

    class State(models.TextChoices):
        OPEN = "open", _("Waiting for help")
        CLAIMED = "claimed", _("Somebody is coming")
        RESOLVED = "resolved", _("Resolved")
        CANCELLED = "cancelled", _("Taken back")

    STANDING = (State.OPEN, State.CLAIMED)

    enrolment = models.ForeignKey(Enrolment, on_delete=models.CASCADE, related_name="help_requests")
    step_key = models.CharField(max_length=60)
    text = models.CharField(_("question"), max_length=500, blank=True)
    state = models.CharField(_("state"), max_length=9, choices=State, default=State.OPEN)
    helper = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("request for help")
        verbose_name_plural = _("requests for help")
        ordering = ["created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["enrolment"],
                name="help_request_one_standing",
                condition=Q(state__in=("open", "claimed")),
            )
        ]

    def __str__(self) -> str:
        return f"{self.step_key} {self.state}"


class Feedback(UuidModel):
    """What a leader wrote about a student's step or job.

    Attributes:
        step_key: empty when it is about a job.
        job_id: empty when it is about a step; the job may be gone since.
        read_at: when its student saw it.
    """

    cohort = models.ForeignKey(
        Cohort, on_delete=models.SET_NULL, null=True, related_name="feedback"
    )
    student = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="feedback"
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    enrolment = models.ForeignKey(
        Enrolment, on_delete=models.CASCADE, null=True, blank=True, related_name="feedback"
    )
    step_key = models.CharField(max_length=60, blank=True)
    job_id = models.UUIDField(null=True, blank=True)
    text = models.TextField(_("text"))
    created_at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("feedback")
        verbose_name_plural = _("feedback")
        ordering = ["created_at"]
        indexes = [models.Index(fields=["job_id"], name="feedback_of_job")]
        constraints = [
            models.CheckConstraint(
                name="feedback_is_about_one_thing",
                condition=Q(step_key="", enrolment__isnull=True, job_id__isnull=False)
                | (~Q(step_key="") & Q(enrolment__isnull=False, job_id__isnull=True)),
            )
        ]

    def __str__(self) -> str:
        return self.text[:40]


class PinnedJob(UuidModel):
    """A job that a leader shows its cohort as an example."""

    cohort = models.ForeignKey(Cohort, on_delete=models.CASCADE, related_name="pinned_jobs")
    job = models.ForeignKey(
        "training.TrainingJob", on_delete=models.CASCADE, related_name="pinned_in"
    )
    note = models.CharField(_("note"), max_length=200, blank=True)
    pinned_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("pinned job")
        verbose_name_plural = _("pinned jobs")
        ordering = ["-created_at"]
        constraints = [models.UniqueConstraint(fields=["cohort", "job"], name="pinned_job_once")]

    def __str__(self) -> str:
        return str(self.job_id)


class DueOverride(UuidModel):
    """Another due date for one student; a moment, so that moving the date of the class does not move it."""

    cohort_course = models.ForeignKey(
        CohortCourse, on_delete=models.CASCADE, related_name="due_overrides"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="due_overrides"
    )
    due_at = models.DateTimeField(_("due"))
    reason = models.CharField(_("reason"), max_length=200)
    granted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("extension")
        verbose_name_plural = _("extensions")
        constraints = [
            models.UniqueConstraint(fields=["cohort_course", "user"], name="due_override_once")
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.due_at:%Y-%m-%d}"


class Certificate(models.Model):
    """That a person completed a version of a course; what it says stands in `facts`, and is signed.

    Attributes:
        name: as the person confirmed it; empty after an erasure.
        facts: title, minutes, steps, and the digests of datasets, adapters and measurements that proved them.
        digest: sha256 of id, time and facts, in which a seal stands for the name (courses.certificates.sealing).
        signature: of the digest, with the installation's key.
    """

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    enrolment = models.OneToOneField(
        Enrolment, on_delete=models.SET_NULL, null=True, related_name="certificate"
    )
    version = models.ForeignKey(
        CourseVersion, on_delete=models.PROTECT, related_name="certificates"
    )
    name = models.CharField(_("name"), max_length=120, blank=True)
    language = models.CharField(max_length=8)
    facts = models.JSONField()
    digest = models.CharField(max_length=64)
    signature = models.CharField(max_length=200)
    issued_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name = _("certificate")
        verbose_name_plural = _("certificates")
        ordering = ["-issued_at"]

    def __str__(self) -> str:
        return f"{self.version} {self.pk}"
