"""Who did what to whom, and what people asked of their own data."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models.cohorts import Cohort
from common.models import UuidModel


class AuditEvent(UuidModel):
    """Something that a leader did to a class or to a person in it; rows are never changed.

    Attributes:
        actor: empty for the server itself, and for somebody who was erased.
        person: whom it concerns.
        kind: with details it makes the sentence (accounts.auditing_wording).
        details: no personal text: ids, numbers, keys.
    """

    cohort = models.ForeignKey(
        Cohort, on_delete=models.SET_NULL, null=True, blank=True, related_name="audit_events"
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    kind = models.CharField(_("what"), max_length=40)
    details = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("entry of the log")
        verbose_name_plural = _("entries of the log")
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["cohort", "-created_at"], name="audit_of_cohort")]

    def __str__(self) -> str:
        return self.kind


class DataRequest(UuidModel):
    """A person's data to be exported or erased, as a job that can be run again after an interruption.

    Attributes:
        person: empty after an erasure.
        cohort: whose leader asked; empty when the person did.
        done: names of the parts that are finished (common.personal_data).
        path: of the ZIP in storage; empty before it is there and after it was removed.
        runs_at: an erasure begins not before this.
    """

    class Kind(models.TextChoices):
        EXPORT = "export", _("Export")
        ERASE = "erase", _("Erase")

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    OPEN = (State.WAITING, State.RUNNING, State.FAILED)

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="data_requests"
    )
    cohort = models.ForeignKey(
        Cohort, on_delete=models.SET_NULL, null=True, blank=True, related_name="data_requests"
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    kind = models.CharField(_("kind"), max_length=6, choices=Kind)
    state = models.CharField(_("state"), max_length=9, choices=State, default=State.WAITING)
    done = models.JSONField(default=list)
    path = models.CharField(max_length=200, blank=True)
    runs_at = models.DateTimeField(_("begins"))
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("request about data")
        verbose_name_plural = _("requests about data")
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["state", "runs_at"], name="data_request_due")]

    def __str__(self) -> str:
        return f"{self.kind} {self.state}"
