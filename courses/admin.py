"""Courses for instructors: which version a cohort takes, and how far people are."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from accounts.scoped_admin import ClassFactsAdmin
from common.admin import ReadOnlyAdmin
from courses.models import (
    Certificate,
    CheckResult,
    CohortCourse,
    CourseVersion,
    DueOverride,
    Enrolment,
    Evidence,
    Feedback,
    HelpRequest,
    HiddenMeasurement,
    PinnedJob,
    ScoreEvent,
    StepProgress,
)


@admin.register(CourseVersion)
class CourseVersionAdmin(ReadOnlyAdmin):
    """Versions come from files, and never change."""

    list_display = ["course", "number", "created_at"]
    list_filter = ["course"]
    list_select_related = ["course"]
    search_fields = ["course__slug", "digest"]
    fields = ["course", "number", "digest", "created_at"]


@admin.register(CohortCourse)
class CohortCourseAdmin(ClassFactsAdmin):
    """What a class takes, and when; decided on its page Content, which tells and logs what it does."""

    list_display = ["cohort", "course", "version", "release_at", "due_at"]
    list_filter = [("cohort", admin.RelatedOnlyFieldListFilter), "course"]
    search_fields = ["cohort__name", "course__slug"]
    list_select_related = ["cohort", "course", "version__course"]
    fields = ["cohort", "course", "version", "release_at", "due_at", "opened_steps"]


class StepProgressInline(admin.TabularInline):
    model = StepProgress
    fields = ("step_key", "state", "tries", "active_seconds", "passed_at")
    readonly_fields = fields
    can_delete = False
    extra = 0

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may read the enrolment."""
        return True


@admin.register(Enrolment)
class EnrolmentAdmin(ClassFactsAdmin):
    """How far one person is."""

    list_display = ["user", "course", "cohort", "started_at", "completed_at"]
    list_filter = ["course", ("cohort", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["user", "course", "cohort"]
    search_fields = ["user__username", "user__display_name"]
    fields = ["user", "course", "version", "cohort", "started_at", "completed_at"]
    inlines = [StepProgressInline]


@admin.register(CheckResult)
class CheckResultAdmin(ClassFactsAdmin):
    """What checks found, one after another."""

    cohort_path = "enrolment__cohort"
    list_display = ["enrolment", "step_key", "check_key", "outcome", "reason", "created_at"]
    list_filter = ["outcome", "check_key"]
    list_select_related = ["enrolment__user", "enrolment__course"]
    search_fields = ["enrolment__user__username", "step_key"]


@admin.register(Evidence)
class EvidenceAdmin(ClassFactsAdmin):
    """What steps were passed by."""

    cohort_path = "enrolment__cohort"
    list_display = ["enrolment", "step_key", "check_key", "kind", "created_at"]
    list_filter = ["kind", "check_key"]
    list_select_related = ["enrolment__user", "enrolment__course"]
    search_fields = ["enrolment__user__username", "subject_id", "digest"]


@admin.register(ScoreEvent)
class ScoreEventAdmin(ClassFactsAdmin):
    """Every score that was ever given; a new one is given in the gradebook."""

    cohort_path = "enrolment__cohort"
    list_display = ["enrolment", "step_key", "kind", "points", "max_points", "actor", "created_at"]
    list_filter = ["kind"]
    list_select_related = ["enrolment__user", "enrolment__course", "actor"]
    search_fields = ["enrolment__user__username", "step_key", "reason"]


@admin.register(HelpRequest)
class HelpRequestAdmin(ClassFactsAdmin):
    """Who asked for help, and who came."""

    cohort_path = "enrolment__cohort"
    list_display = ["enrolment", "step_key", "state", "helper", "created_at", "closed_at"]
    list_filter = ["state", ("enrolment__cohort", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["enrolment__user", "enrolment__course", "helper"]
    search_fields = ["enrolment__user__username", "text"]


@admin.register(HiddenMeasurement)
class HiddenMeasurementAdmin(ReadOnlyAdmin):
    """Which jobs were measured on hidden questions, and what came out."""

    list_display = ["enrolment", "job_name", "status", "base_loss", "tuned_loss", "created_at"]
    list_filter = ["status", "enrolment__course", "enrolment__cohort"]
    list_select_related = ["enrolment__user", "enrolment__course"]
    search_fields = ["enrolment__user__username", "job_name"]


@admin.register(Feedback)
class FeedbackAdmin(ClassFactsAdmin):
    """What students were told of their steps and jobs."""

    list_display = ["student", "author", "cohort", "step_key", "created_at", "read_at"]
    list_filter = [("cohort", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["student", "author", "cohort"]
    search_fields = ["student__username", "author__username", "text"]


@admin.register(DueOverride)
class DueOverrideAdmin(ClassFactsAdmin):
    """Later dates of single students."""

    cohort_path = "cohort_course__cohort"
    list_display = ["user", "cohort_course", "due_at", "granted_by", "created_at"]
    list_filter = [("cohort_course__cohort", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["user", "cohort_course", "granted_by"]
    search_fields = ["user__username", "reason"]


@admin.register(PinnedJob)
class PinnedJobAdmin(ClassFactsAdmin):
    """Jobs that classes are shown as examples."""

    list_display = ["job", "cohort", "note", "pinned_by", "created_at"]
    list_filter = [("cohort", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["job", "cohort", "pinned_by"]
    search_fields = ["job__name", "note"]


@admin.register(Certificate)
class CertificateAdmin(ClassFactsAdmin):
    """What was certified, and what was taken back."""

    cohort_path = "enrolment__cohort"
    list_display = ["id", "name", "version", "issued_at", "revoked_at"]
    list_filter = ["version__course"]
    list_select_related = ["version__course"]
    search_fields = ["id", "name", "digest"]
