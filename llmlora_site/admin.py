"""Workers for instructors: registered here, above both the workers and the jobs that they hold."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from common.admin import ReadOnlyAdmin
from modelhub.models import Worker
from modelhub.pausing import pause_workers, resume_workers
from modelhub.selectors import WORKER_SILENCE
from modelhub.sentences import refusal_sentence
from training.models import TrainingJob


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    list_display = (
        "name",
        "state_words",
        "current_job",
        "last_heartbeat",
        "device",
        "device_name",
        "host",
        "version",
    )
    list_filter = ("state", "is_paused", "device", "version")
    search_fields = ("name", "host", "device_name")
    readonly_fields = ("state_words", "current_job", "last_heartbeat", "refusal")
    exclude = ("state", "refusal_code", "refusal_params")
    actions = ("pause", "resume")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Worker | None = None) -> bool:
        return bool(request.user.is_active and request.user.is_staff)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Worker]:
        running = TrainingJob.objects.filter(
            worker_name=OuterRef("name"), status=TrainingJob.Status.RUNNING
        )
        counts = running.order_by().values("worker_name").annotate(count=Count("pk"))
        return (
            super()
            .get_queryset(request)
            .annotate(
                database_now=Now(),
                job_name=Subquery(running.order_by("started_at").values("name")[:1]),
                job_count=Subquery(counts.values("count")),
            )
        )

    @admin.display(description=_("state"), ordering="state")
    def state_words(self, worker: Any) -> str:
        is_silent = worker.heartbeat_at < worker.database_now - WORKER_SILENCE
        state = Worker.State.DOWN.label if is_silent else worker.get_state_display()
        return f"{state} ({_('paused')})" if worker.is_paused else str(state)

    @admin.display(description=_("current job"))
    def current_job(self, worker: Any) -> str:
        if not worker.job_count:
            return "–"
        further = worker.job_count - 1
        return f"{worker.job_name} +{further}" if further else str(worker.job_name)

    @admin.display(description=_("last heartbeat"), ordering="heartbeat_at")
    def last_heartbeat(self, worker: Worker) -> str:
        return str(naturaltime(min(worker.heartbeat_at, timezone.now())))

    @admin.display(description=_("refused because"))
    def refusal(self, worker: Worker) -> str:
        return refusal_sentence(worker.refusal_code, worker.refusal_params) or "–"

    @admin.action(description=_("Pause the chosen workers"))
    def pause(self, request: HttpRequest, queryset: QuerySet[Worker]) -> None:
        count = pause_workers(queryset.values_list("pk", flat=True))
        sentence = ngettext(
            "%(count)d worker finishes what it holds and then pauses.",
            "%(count)d workers finish what they hold and then pause.",
            count,
        )
        self.message_user(request, sentence % {"count": count}, messages.SUCCESS)

    @admin.action(description=_("Let the chosen workers take work again"))
    def resume(self, request: HttpRequest, queryset: QuerySet[Worker]) -> None:
        count = resume_workers(queryset.values_list("pk", flat=True))
        sentence = ngettext(
            "%(count)d worker takes work again.", "%(count)d workers take work again.", count
        )
        self.message_user(request, sentence % {"count": count}, messages.SUCCESS)
