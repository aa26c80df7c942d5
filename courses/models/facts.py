"""What happened in a course. Rows are added by the server, and never changed."""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import models
from django.utils.translation import gettext_lazy as _

from common.models import UuidModel
from courses.models.progress import Enrolment


class Evidence(UuidModel):
    """Something of the person's that a check counted.

    Attributes:
        kind: what it is, as job, dataset, reply, prompt_run.
        subject_id: of that row, which may be gone since.
        digest: sha256 of what it held: dataset file, adapter, set of questions.
        facts: the figures that the check read.
    """

    enrolment = models.ForeignKey(Enrolment, on_delete=models.CASCADE, related_name="evidence")
    step_key = models.CharField(max_length=60)
    check_key = models.CharField(max_length=60)
    kind = models.CharField(_("kind"), max_length=20)
    subject_id = models.CharField(max_length=64)
    digest = models.CharField(max_length=64, blank=True)
    facts = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("evidence")
        verbose_name_plural = _("evidence")
        ordering = ["created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["enrolment", "step_key", "check_key", "kind", "subject_id", "digest"],
                name="evidence_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject_id}"


class CheckResult(UuidModel):
    """What a check found; a row for each change.

    Attributes:
        reason: a code; with observed and wanted it makes the sentence.
    """

    class Outcome(models.TextChoices):
        PASS = "pass", _("Passed")
        FAIL = "fail", _("Not yet")
        BLOCKED = "blocked", _("Waits for another check")
        WAITING = "waiting", _("Waits for the device")
        ERROR = "error", _("Could not be checked")

    enrolment = models.ForeignKey(Enrolment, on_delete=models.CASCADE, related_name="check_results")
    step_key = models.CharField(max_length=60)
    check_key = models.CharField(max_length=60)
    outcome = models.CharField(_("outcome"), max_length=8, choices=Outcome)
    reason = models.CharField(max_length=60, blank=True)
    observed = models.JSONField(default=dict)
    wanted = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("result of a check")
        verbose_name_plural = _("results of checks")
        ordering = ["-created_at"]
        indexes = [
            models.Index(
                fields=["enrolment", "step_key", "-created_at"], name="check_result_newest"
            )
        ]

    def __str__(self) -> str:
        return f"{self.check_key} {self.outcome}"


class QuizAnswer(UuidModel):
    """One answer to one question; the newest right one counts."""

    enrolment = models.ForeignKey(Enrolment, on_delete=models.CASCADE, related_name="quiz_answers")
    step_key = models.CharField(max_length=60)
    question_key = models.CharField(max_length=60)
    answer = models.JSONField()
    is_right = models.BooleanField(_("right"))
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("quiz answer")
        verbose_name_plural = _("quiz answers")
        ordering = ["created_at"]
        indexes = [models.Index(fields=["enrolment", "step_key"], name="quiz_answer_of_step")]

    def __str__(self) -> str:
        return f"{self.question_key} {self.is_right}"


class Reflection(UuidModel):
    """What a person wrote about their own jobs; the newest counts.

    Attributes:
        job_ids: own jobs that it cites.
    """

    enrolment = models.ForeignKey(Enrolment, on_delete=models.CASCADE, related_name="reflections")
    step_key = models.CharField(max_length=60)
    text = models.TextField(_("text"))
    job_ids = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("reflection")
        verbose_name_plural = _("reflections")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.text[:40]


class PageView(UuidModel):
    """That a person had a page of their own job or comparison open; the first time of each.

    Attributes:
        kind: job_running or comparison.
    """

    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="page_views")
    kind = models.CharField(max_length=20)
    subject_id = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("page seen")
        verbose_name_plural = _("pages seen")
        constraints = [
            models.UniqueConstraint(fields=["user", "kind", "subject_id"], name="page_view_once")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject_id}"


class HintView(UuidModel):
    """That a person opened a hint; level counts from 1."""

    enrolment = models.ForeignKey(Enrolment, on_delete=models.CASCADE, related_name="hint_views")
    step_key = models.CharField(max_length=60)
    check_key = models.CharField(max_length=60)
    level = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("hint seen")
        verbose_name_plural = _("hints seen")
        constraints = [
            models.UniqueConstraint(
                fields=["enrolment", "step_key", "check_key", "level"], name="hint_view_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.check_key} {self.level}"


class ScoreEvent(UuidModel):
    """What a step counts for one person. The newest decision of a person holds; without one, what evidence gave.

    Attributes:
        kind: AUTO with a reason is somebody's word that a decision is taken back: from then on evidence counts again.
        actor: who decided; empty for evidence.
        reason: what the actor wrote; empty for evidence.
    """

    class Kind(models.TextChoices):
        AUTO = "auto", _("Passed by evidence")
        OVERRIDE = "override", _("Set by a person")
        EXEMPT = "exempt", _("Exempt")

    DECISIONS = (Kind.OVERRIDE, Kind.EXEMPT)

    enrolment = models.ForeignKey(Enrolment, on_delete=models.CASCADE, related_name="score_events")
    step_key = models.CharField(max_length=60)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind)
    points = models.FloatField(_("points"))
    max_points = models.FloatField(_("of"))
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    actor = models.ForeignKey(
        "accounts.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("score")
        verbose_name_plural = _("scores")
        ordering = ["created_at"]

    def __str__(self) -> str:
        return f"{self.step_key} {self.points}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("A score is never changed: add another one.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("A score is never deleted: add another one.")
