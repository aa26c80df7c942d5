"""Courses for instructors: which version a cohort takes, and how far people are."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from courses.models import CheckResult, CohortCourse, CourseVersion, Enrolment, StepProgress


@admin.register(CourseVersion)
class CourseVersionAdmin(admin.ModelAdmin):
    """Versions come from files, and never change."""

    list_display = ["course", "number", "created_at"]
    list_filter = ["course"]
    list_select_related = ["course"]
    fields = ["course", "number", "digest", "created_at"]
    readonly_fields = ("course", "number", "digest", "created_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(CohortCourse)
class CohortCourseAdmin(admin.ModelAdmin):
    """The version that a cohort takes, when it opens and is due, and which steps are open for all."""

    list_display = ["cohort", "course", "version", "release_at", "due_at"]
    list_filter = ["cohort", "course"]
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


@admin.register(Enrolment)
class EnrolmentAdmin(admin.ModelAdmin):
    """How far one person is; facts, not to be written."""

    list_display = ["user", "course", "cohort", "started_at", "completed_at"]
    list_filter = ["course", "cohort"]
    list_select_related = ["user", "course", "cohort"]
    search_fields = ["user__username", "user__display_name"]
    fields = ["user", "course", "version", "cohort", "started_at", "completed_at"]
    readonly_fields = ("user", "course", "version", "cohort", "started_at", "completed_at")
    inlines = [StepProgressInline]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(CheckResult)
class CheckResultAdmin(admin.ModelAdmin):
    """What checks found, one after another."""

    list_display = ["enrolment", "step_key", "check_key", "outcome", "reason", "created_at"]
    list_filter = ["outcome", "check_key"]
    list_select_related = ["enrolment__user", "enrolment__course"]
    search_fields = ["enrolment__user__username", "step_key"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
