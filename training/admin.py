"""Training jobs for instructors: to look at, to move in the queue and to cancel, not to edit; and what was used."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import QuerySet, Sum
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.translation import gettext, gettext_lazy, ngettext

from accounts.models import User
from common.admin import ReadOnlyAdmin
from common.errors import ConflictError
from training.models import DeviceUsage, TrainingJob
from training.sentences import failure_sentence
from training.services.ending import cancel_training_job
from training.services.queue_acts import act_on_job
from training.templatetags.training_tags import duration_words


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
        "cohort",
        "queue_place",
        "worker_name",
        "created_at",
    ]
    list_filter = [
        "status",
        "stage",
        "base_model",
        ("cohort", admin.RelatedOnlyFieldListFilter),
        ("owner", admin.RelatedOnlyFieldListFilter),
        "created_at",
    ]
    list_select_related = ["owner", "base_model", "cohort"]
    list_per_page = 50
    search_fields = ["name", "owner__username", "owner__display_name", "worker_name", "id"]
    date_hierarchy = "created_at"
    readonly_fields = ["progress_text", "failure"]
    exclude = ["lease_token", "lease_count", "event_seq"]
    actions = ["hold_jobs", "release_jobs", "move_to_front", "move_to_back", "cancel_jobs"]

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

    @admin.display(description=gettext_lazy("Queue"))
    def queue_place(self, job: TrainingJob) -> str:
        """What an instructor changed; the order itself is on the page of the queue."""
        if job.status != TrainingJob.Status.PENDING:
            return "–"
        if job.held_at is not None:
            return gettext("held")
        if job.priority:
            return (
                gettext("moved to the front") if job.priority > 0 else gettext("moved to the back")
            )
        return gettext("waits")

    @admin.action(description=gettext_lazy("Hold the chosen jobs"))
    def hold_jobs(self, request: HttpRequest, queryset: QuerySet[TrainingJob]) -> None:
        self._change_each(request, queryset, "hold")

    @admin.action(description=gettext_lazy("Release the chosen jobs"))
    def release_jobs(self, request: HttpRequest, queryset: QuerySet[TrainingJob]) -> None:
        self._change_each(request, queryset, "release")

    @admin.action(description=gettext_lazy("Move the chosen jobs to the front of the queue"))
    def move_to_front(self, request: HttpRequest, queryset: QuerySet[TrainingJob]) -> None:
        self._change_each(request, queryset, "front")

    @admin.action(description=gettext_lazy("Move the chosen jobs to the back of the queue"))
    def move_to_back(self, request: HttpRequest, queryset: QuerySet[TrainingJob]) -> None:
        self._change_each(request, queryset, "back")

    def _change_each(
        self,
        request: HttpRequest,
        queryset: QuerySet[TrainingJob],
        action: str,
    ) -> None:
        changed = others = 0
        for job in queryset:
            try:
                act_on_job(job, action, by=cast("User", request.user))
                changed += 1
            except ConflictError:
                others += 1
        if changed:
            sentence = ngettext(
                "%(count)d job was changed.", "%(count)d jobs were changed.", changed
            )
            self.message_user(request, sentence % {"count": changed}, messages.SUCCESS)
        if others:
            sentence = ngettext(
                "%(count)d job does not wait any more.",
                "%(count)d jobs do not wait any more.",
                others,
            )
            self.message_user(request, sentence % {"count": others}, messages.INFO)

    @admin.action(description=gettext_lazy("Cancel the chosen jobs"))
    def cancel_jobs(self, request: HttpRequest, queryset: QuerySet[TrainingJob]) -> None:
        cancelled = over = 0
        for job in queryset:
            try:
                cancel_training_job(job, by=cast("User", request.user))
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


@admin.register(DeviceUsage)
class DeviceUsageAdmin(ReadOnlyAdmin):
    """How long devices worked for whom. Above the list stands the sum of all rows that the filters leave."""

    list_display = ["user", "cohort", "day", "device_time"]
    list_filter = [
        ("cohort", admin.RelatedOnlyFieldListFilter),
        ("user", admin.RelatedOnlyFieldListFilter),
    ]
    list_select_related = ["user", "cohort"]
    search_fields = ["user__username", "user__display_name"]
    date_hierarchy = "day"
    ordering = ["-day", "-seconds"]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: DeviceUsage | None = None) -> bool:
        return bool(request.user.is_active and request.user.is_staff)

    @admin.display(description=gettext_lazy("device time"), ordering="seconds")
    def device_time(self, usage: DeviceUsage) -> str:
        return duration_words(usage.seconds)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        response = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data:
            shown = response.context_data["cl"].queryset.order_by()
            total = shown.aggregate(seconds=Sum("seconds", default=0.0))["seconds"]
            response.context_data["subtitle"] = gettext("%(time)s in all") % {
                "time": duration_words(total)
            }
        return response
