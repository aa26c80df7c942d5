"""Accounts, cohorts and API tokens for instructors."""

from __future__ import annotations

from typing import Any, cast

from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.db.models import Count, QuerySet
from django.forms import BaseModelFormSet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from accounts.auditing import note_act
from accounts.class_changing import change_class
from accounts.models import (
    ApiToken,
    AuditEvent,
    ClassWindow,
    Cohort,
    ComputePolicy,
    DataRequest,
    JoinRequest,
    Membership,
    RosterEntry,
    User,
)
from accounts.scoped_admin import ClassFactsAdmin
from common.admin import ReadOnlyAdmin

OWN_CLASSES = ("cohort", admin.RelatedOnlyFieldListFilter)


@admin.register(User)
class UserAdmin(BaseUserAdmin):
    list_display = ["username", "display_name", "email", "is_staff", "is_active", "last_login"]
    search_fields = ["username", "display_name", "email"]
    fieldsets = [
        *(BaseUserAdmin.fieldsets or ()),
        (_("Preferences"), {"fields": ["display_name", "language", "theme"]}),
    ]


# The directory stands in the settings, and no token of it is kept: there is nothing to enter or to see.
for unused in (SocialApp, SocialToken, SocialAccount):
    admin.site.unregister(unused)


@admin.register(SocialAccount)
class SocialAccountAdmin(admin.ModelAdmin):
    """Who is who in the school's directory; deleted, an account can be connected with somebody else there."""

    list_display = ["user", "provider", "uid", "date_joined", "last_login"]
    list_select_related = ["user"]
    search_fields = ["user__username", "user__email", "uid"]
    fields = ["user", "provider", "uid", "date_joined", "last_login"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: SocialAccount | None = None) -> bool:
        return False


class MembershipForm(forms.ModelForm):
    """A place in the class stays with its person."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["user"].label = _("user")
        self.fields["user"].disabled = not self.instance._state.adding


class MembershipInline(admin.TabularInline):
    """Removing somebody ends more than the row: it is done on the roster of the class."""

    model = Membership
    form = MembershipForm
    verbose_name_plural = _("people; they are removed on the roster of the class")
    can_delete = False
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

    list_display = ["name", "status", "people_count", "starts_on", "ends_on", "created_at"]
    list_filter = ["status"]
    search_fields = ["name"]
    fieldsets = [
        (None, {"fields": ["name", "status", ("language", "time_zone"), ("starts_on", "ends_on")]}),
        (_("Joining"), {"fields": ["seats", "directory_group", "needs_approval"]}),
        (_("Limits"), {"fields": ["dataset_quota_bytes", "retention_days", "device_usage"]}),
    ]
    readonly_fields = ["device_usage"]
    inlines = [ComputePolicyInline, ClassWindowInline, MembershipInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Cohort]:
        return super().get_queryset(request).annotate(people=Count("memberships"))

    def save_model(
        self,
        request: HttpRequest,
        obj: Cohort,
        form: Any,
        change: bool,  # noqa: FBT001 - as Django calls it
    ) -> None:
        actor = cast(User, request.user)
        if change:
            change_class(actor, obj, form.changed_data)
            return
        # Not make_class: the table of people says who leads it.
        obj.save(force_insert=True)
        note_act(actor, "class_made", cohort=obj)

    def save_formset(
        self,
        request: HttpRequest,
        form: Any,
        formset: BaseModelFormSet,
        change: bool,  # noqa: FBT001 - as Django calls it
    ) -> None:
        super().save_formset(request, form, formset, change)
        if formset.model is Membership:
            for member, names in formset.changed_objects:
                _note_role(request, member, names)

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


def _note_role(request: HttpRequest, member: Membership, changed: list[str]) -> None:
    """As on the roster of the class, so that its log tells of roles whoever gives them."""
    if "role" in changed:
        actor = cast(User, request.user)
        note_act(actor, "role_changed", cohort=member.cohort, person=member.user, role=member.role)


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):
    """Who has which token, to revoke one that leaked; a token is made by its owner only."""

    list_display = ["name", "user", "created_at", "expires_at", "last_used_at"]
    list_filter = ["expires_at", "last_used_at"]
    list_select_related = ["user"]
    search_fields = ["name", "user__username"]
    fields = ["name", "user", "created_at", "expires_at", "last_used_at"]
    readonly_fields = ("name", "user", "created_at", "expires_at", "last_used_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False


@admin.register(JoinRequest)
class JoinRequestAdmin(ClassFactsAdmin):
    """Who waits to be let in; decided on the class's own page."""

    list_display = ["user", "cohort", "created_at"]
    list_filter = [OWN_CLASSES]
    list_select_related = ["user", "cohort"]
    search_fields = ["user__username", "user__display_name"]


@admin.register(RosterEntry)
class RosterEntryAdmin(ClassFactsAdmin):
    """Who is expected in a class, and who came; imported on the class's own page."""

    list_display = ["__str__", "cohort", "role", "claimed_by", "created_at"]
    list_filter = [OWN_CLASSES, "role"]
    list_select_related = ["cohort", "claimed_by"]
    search_fields = ["name", "email", "username"]


@admin.register(AuditEvent)
class AuditEventAdmin(ClassFactsAdmin):
    """What those who lead classes did."""

    list_display = ["created_at", "kind", "actor", "person", "cohort"]
    list_filter = ["kind", OWN_CLASSES]
    list_select_related = ["actor", "person", "cohort"]
    search_fields = ["actor__username", "person__username"]
    date_hierarchy = "created_at"


@admin.register(DataRequest)
class DataRequestAdmin(ReadOnlyAdmin):
    """Whose data is to be exported or erased, and how far that is."""

    list_display = ["kind", "state", "person", "requested_by", "runs_at", "finished_at"]
    list_filter = ["kind", "state"]
    list_select_related = ["person", "requested_by"]
    search_fields = ["person__username", "requested_by__username"]
