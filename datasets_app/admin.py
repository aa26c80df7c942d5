"""Operator views of datasets: facts only; deleting goes through the services, so files go with their rows."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from common.errors import ConflictError
from datasets_app.models import Dataset, DatasetVersion
from datasets_app.services.deleting import delete_dataset


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
    list_display = ["name", "owner", "type", "created_at"]
    list_filter = ["type", "created_at"]
    list_select_related = ["owner"]
    search_fields = ["name", "owner__username", "versions__source_name"]
    readonly_fields = fields = ("name", "owner", "type", "description", "created_at", "updated_at")
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
        try:
            delete_dataset(dataset)
        except ConflictError as error:
            self.message_user(request, str(error.message), messages.ERROR)
