"""Training jobs for instructors: to look at and to cancel, not to edit."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy, ngettext

from common.errors import ConflictError
from training.models import TrainingJob
from training.sentences import failure_sentence
from training.services.ending import cancel_training_job


@admin.register(TrainingJob)
class TrainingJobAdmin(admin.ModelAdmin):
    list_display = [
        "name",
        "owner",
        "status",
        "stage",
        "progress_text",
        "loss",
        "base_model",
        "worker_name",
        "created_at",
    ]
    list_filter = [
        "status",
        "stage",
        "base_model",
        ("owner", admin.RelatedOnlyFieldListFilter),
        "created_at",
    ]
    list_select_related = ["owner", "base_model"]
    list_per_page = 50
    search_fields = ["name", "owner__username", "owner__display_name", "worker_name", "id"]
    date_hierarchy = "created_at"
    readonly_fields = ["progress_text", "failure"]
    exclude = ["lease_token", "lease_count", "event_seq"]
    actions = ["cancel_jobs"]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: TrainingJob | None = None) -> bool:
        return bool(request.user.is_active and request.user.is_staff)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: TrainingJob | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: TrainingJob | None = None) -> bool:
        return False

    @admin.display(description=gettext_lazy("Progress"))
    def progress_text(self, job: TrainingJob) -> str:
        return f"{job.progress:.0%}" if job.total_steps else "–"

    @admin.display(description=gettext_lazy("Failure"))
    def failure(self, job: TrainingJob) -> str:
        return failure_sentence(job) or "–"

    @admin.action(description=gettext_lazy("Cancel the chosen jobs"))
    def cancel_jobs(self, request: HttpRequest, queryset: QuerySet[TrainingJob]) -> None:
        cancelled = over = 0
        for job in queryset:
            try:
                cancel_training_job(job)
                cancelled += 1
            except ConflictError:
                over += 1
        if cancelled:
            sentence = ngettext(
                "%(count)d job is being cancelled.",
                "%(count)d jobs are being cancelled.",
                cancelled,
            )
            self.message_user(request, sentence % {"count": cancelled}, messages.SUCCESS)
        if over:
            sentence = ngettext(
                "%(count)d job was over already.", "%(count)d jobs were over already.", over
            )
            self.message_user(request, sentence % {"count": over}, messages.INFO)
