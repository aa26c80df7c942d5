"""Accounts, cohorts and API tokens for instructors."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiToken, ClassWindow, Cohort, ComputePolicy, Membership, User


@admin.register(User)
class UserAdmin(BaseUserAdmin):
    list_display = ["username", "display_name", "email", "is_staff", "is_active", "last_login"]
    search_fields = ["username", "display_name", "email"]
    fieldsets = [
        *(BaseUserAdmin.fieldsets or ()),
        (_("Preferences"), {"fields": ["display_name", "language", "theme"]}),
    ]


class MembershipInline(admin.TabularInline):
    model = Membership
    extra = 1
    autocomplete_fields = ["user"]
    fields = ["user", "role"]


class ComputePolicyInline(admin.StackedInline):
    model = ComputePolicy
    fieldsets = [
        (None, {"fields": [("weight", "max_running_jobs", "is_paused")]}),
        (
            _("Limits for each student; an empty one is none"),
            {"fields": [("max_rank", "max_steps"), ("max_queued_jobs", "max_device_seconds")]},
        ),
    ]


class ClassWindowInline(admin.TabularInline):
    """Times of lessons: the devices are reserved for this class then."""

    model = ClassWindow
    extra = 1
    fields = ["starts_at", "ends_at"]


@admin.register(Cohort)
class CohortAdmin(admin.ModelAdmin):
    """Who learns together, who leads, how much space their datasets may take, and how much of the devices."""

    list_display = [
        *("name", "status", "starts_on", "ends_on", "people_count"),
        *("dataset_quota_bytes", "created_at"),
    ]
    list_filter = ["status"]
    search_fields = ["name"]
    fieldsets = [
        (None, {"fields": ["name", "status", ("starts_on", "ends_on"), "time_zone", "language"]}),
        (_("Who joins"), {"fields": ["seats", "needs_approval"]}),
        (_("Space and devices"), {"fields": ["dataset_quota_bytes", "device_usage"]}),
    ]
    readonly_fields = ["device_usage"]
    inlines = [ComputePolicyInline, ClassWindowInline, MembershipInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Cohort]:
        return super().get_queryset(request).annotate(people=Count("memberships"))

    @admin.display(description=_("people"), ordering="people")
    def people_count(self, cohort: Cohort) -> int:
        return cohort.people  # type: ignore[attr-defined]

    @admin.display(description=_("device time used"))
    def device_usage(self, cohort: Cohort) -> str:
        """Where it stands: the sums belong to training, of which accounts know nothing."""
        if cohort._state.adding:
            return "–"
        address = reverse("admin:training_deviceusage_changelist")
        return format_html(
            '<a href="{}?cohort__id__exact={}">{}</a>', address, cohort.pk, _("By student and day")
        )


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):
    """Who has which token, to revoke one that leaked; a token is made by its owner only."""

    list_display = ["name", "user", "created_at", "expires_at", "last_used_at"]
    list_select_related = ["user"]
    search_fields = ["name", "user__username"]
    fields = ["name", "user", "created_at", "expires_at", "last_used_at"]
    readonly_fields = ("name", "user", "created_at", "expires_at", "last_used_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False
