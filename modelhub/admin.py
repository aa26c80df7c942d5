"""Operator views of base models: what the programs found, so nothing is edited by hand."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from modelhub.models import BaseModel


class ReadOnlyAdmin(admin.ModelAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        return False


@admin.register(BaseModel)
class BaseModelAdmin(ReadOnlyAdmin):
    list_display = (
        "name",
        "source",
        "parameter_count",
        "size_bytes",
        "license",
        "is_enabled",
        "modified_at",
    )
    list_filter = ("source", "is_enabled")
    search_fields = ("name", "digest")
