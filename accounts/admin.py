"""Accounts, cohorts and API tokens for instructors."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiToken, Cohort, Membership, User


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


@admin.register(Cohort)
class CohortAdmin(admin.ModelAdmin):
    """Who learns together, who leads, and how much space their datasets may take."""

    list_display = ["name", "people_count", "dataset_quota_bytes", "created_at"]
    search_fields = ["name"]
    fields = ["name", "dataset_quota_bytes"]
    inlines = [MembershipInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Cohort]:
        return super().get_queryset(request).annotate(people=Count("memberships"))

    @admin.display(description=_("people"), ordering="people")
    def people_count(self, cohort: Cohort) -> int:
        return cohort.people  # type: ignore[attr-defined]


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
