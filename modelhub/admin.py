"""Operator views of base models and pulls: what the programs found, so nothing is edited by hand."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from common.admin import ReadOnlyAdmin
from modelhub.models import BaseModel, ModelPull
from modelhub.pulling_sentences import pull_sentence


@admin.register(BaseModel)
class BaseModelAdmin(ReadOnlyAdmin):
    list_display = (
        "name",
        "source",
        "parameter_count",
        "size_bytes",
        "license",
        "is_enabled",
        "trouble",
        "modified_at",
    )
    list_filter = ("source", "is_enabled", "trouble")
    search_fields = ("name", "digest")


@admin.register(ModelPull)
class ModelPullAdmin(ReadOnlyAdmin):
    list_display = ("name", "status", "requested_by", "created_at", "completed_at")
    list_filter = ("status", "created_at")
    list_select_related = ("requested_by",)
    search_fields = ("name", "requested_by__username")
    readonly_fields = ("words",)
    exclude = ("error_code", "error_params")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: ModelPull | None = None) -> bool:
        return bool(request.user.is_active and request.user.is_staff)

    @admin.display(description=_("State"))
    def words(self, pull: ModelPull) -> str:
        return pull_sentence(pull)
