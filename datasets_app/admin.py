"""Operator views of datasets: facts only; deleting goes through the services, so files go with their rows."""

from __future__ import annotations

import re
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common.errors import ConflictError
from datasets_app.models import (
    Contribution,
    Dataset,
    DatasetEvent,
    DatasetImport,
    DatasetVersion,
    HubRepository,
)
from datasets_app.services.deleting import delete_dataset

# As the Hub allows them: an owner, a slash and a name.
REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")


class DatasetVersionInline(admin.TabularInline):
    model = DatasetVersion
    extra = 0
    can_delete = False
    readonly_fields = fields = (
        "number",
        "example_count",
        "size_bytes",
        "source_name",
        "source_format",
        "source_encoding",
        "digest",
        "created_at",
    )

    def has_add_permission(self, request: HttpRequest, obj: Dataset | None = None) -> bool:
        return False


@admin.register(Dataset)
class DatasetAdmin(admin.ModelAdmin):
    list_display = ["name", "owner", "type", "visibility", "cohort", "created_at"]
    list_filter = ["type", "visibility", "cohort", "collects_rows", "created_at"]
    list_select_related = ["owner", "cohort"]
    search_fields = ["name", "owner__username", "versions__source_name"]
    readonly_fields = fields = (
        "name",
        "owner",
        "type",
        "description",
        "visibility",
        "cohort",
        "course",
        "collects_rows",
        "created_at",
        "updated_at",
    )
    inlines = [DatasetVersionInline]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Dataset | None = None) -> bool:
        return False

    def delete_model(self, request: HttpRequest, obj: Dataset) -> None:
        self._delete(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Dataset]) -> None:
        for dataset in queryset:
            self._delete(request, dataset)

    def _delete(self, request: HttpRequest, dataset: Dataset) -> None:
        # Only people who are signed in reach the admin.
        actor = cast(User, request.user)
        try:
            delete_dataset(dataset, actor=actor)
        except ConflictError as error:
            self.message_user(request, str(error.message), messages.ERROR)


class FactsAdmin(admin.ModelAdmin):
    """Rows to look at. They may go with their dataset or their person, but nobody deletes one here."""

    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        raise PermissionDenied

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        shown = {"show_delete": False} | (extra_context or {})
        return super().changeform_view(request, object_id, form_url, shown)


@admin.register(DatasetEvent)
class DatasetEventAdmin(FactsAdmin):
    """Who downloaded, shared or deleted what."""

    list_display = ["created_at", "action", "dataset_name", "actor"]
    list_filter = ["action", "created_at"]
    list_select_related = ["actor"]
    search_fields = ["dataset_name", "dataset_id", "actor__username", "actor__display_name"]
    date_hierarchy = "created_at"
    fields = ["created_at", "action", "actor", "dataset_name", "dataset_id", "details"]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Contribution)
class ContributionAdmin(FactsAdmin):
    """Rows of class datasets; they are reviewed on the page of their dataset."""

    list_display = ["dataset", "author", "state", "reviewer", "created_at", "reviewed_at"]
    list_filter = ["state", "created_at"]
    list_select_related = ["dataset", "author", "reviewer"]
    search_fields = ["dataset__name", "author__username", "author__display_name"]
    fields = [
        "dataset",
        "author",
        "record",
        "state",
        "reason",
        "reviewer",
        "version",
        "created_at",
        "reviewed_at",
    ]


@admin.register(DatasetImport)
class DatasetImportAdmin(FactsAdmin):
    """Files on their way to a dataset."""

    list_display = ["name", "owner", "state", "size_bytes", "source_name", "attempts", "created_at"]
    list_filter = ["state", "created_at"]
    list_select_related = ["owner"]
    search_fields = ["name", "source_name", "owner__username"]


class HubRepositoryForm(forms.ModelForm):
    class Meta:
        model = HubRepository
        fields = ["repository", "revision", "note"]

    def clean_repository(self) -> str:
        repository: str = self.cleaned_data["repository"]
        if not REPOSITORY.fullmatch(repository):
            raise forms.ValidationError(
                _("Write it as on the Hub: owner/name, without spaces and without an address.")
            )
        return repository

    def clean_revision(self) -> str:
        revision: str = self.cleaned_data["revision"]
        if re.search(r"\s", revision):
            raise forms.ValidationError(
                _("A revision has no spaces. Write a branch, a tag or a commit.")
            )
        return revision


@admin.register(HubRepository)
class HubRepositoryAdmin(admin.ModelAdmin):
    """The datasets of the Hub that may be brought in; every instructor looks after them."""

    form = HubRepositoryForm
    list_display = ["repository", "revision", "note", "created_at"]
    list_filter = ["created_at"]
    search_fields = ["repository", "note"]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _is_instructor(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return _is_instructor(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _is_instructor(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return _is_instructor(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return _is_instructor(request)


def _is_instructor(request: HttpRequest) -> bool:
    return bool(request.user.is_active and request.user.is_staff)
