"""Administration of what belongs to classes: everybody reads that of their own ones."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest

from accounts.models import Cohort
from common.admin import ReadOnlyAdmin


class ClassFactsAdmin(ReadOnlyAdmin):
    """Facts of classes, for staff who lead or observe them; whoever has the model's permission reads all.

    Attributes:
        cohort_path: from a row to its class, as a lookup.
    """

    cohort_path: ClassVar[str] = "cohort"

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.is_active and request.user.is_staff)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        if super().has_view_permission(request):
            return rows
        own = Cohort.objects.reviewed_by(request.user)
        return rows.filter(**{f"{self.cohort_path}__in": own.values("pk")})
