"""Every worker with what it holds, as the reader may see it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Cohort, User
from modelhub.models import Worker
from modelhub.selectors import workers
from modelhub.sentences import refusal_sentence
from training.models import TrainingJob
from training.selectors import jobs_visible_to

KEPT_SILENCE = timedelta(days=3)
"""So long a worker that is down stays on the board; containers bear a new name with each start."""

CLOCK_SAME_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class HeldJob:
    """A running job; of somebody whom the reader does not lead it is only known how far it is."""

    progress: float
    name: str | None = None
    owner_name: str | None = None
    job_id: UUID | None = None
    address: str = ""
    is_own: bool = False


@dataclass(frozen=True)
class BoardEntry:
    """One worker for one reader."""

    worker: Worker
    jobs: tuple[HeldJob, ...]
    shows_host: bool

    @property
    def is_down(self) -> bool:
        return self.worker.state == Worker.State.DOWN

    @property
    def named_jobs(self) -> list[HeldJob]:
        return [job for job in self.jobs if job.name]

    @property
    def other_job_count(self) -> int:
        """Jobs of people whom the reader does not know."""
        return len(self.jobs) - len(self.named_jobs)

    @property
    def heard_at(self) -> datetime:
        """Its last word; never in the future, whatever two clocks say."""
        return min(self.worker.heartbeat_at, timezone.now())

    @cached_property
    def refusal(self) -> str:
        """Why it may not work. Places and machines in the sentence are for those who can mend it."""
        sentence = refusal_sentence(self.worker.refusal_code, self.worker.refusal_params)
        if sentence and not self.shows_host:
            return _("This worker does not fit the web server. Your instructor can see here why.")
        return sentence

    @property
    def tokens_per_second(self) -> float | None:
        """The highest speed that was measured on its device, where it was measured."""
        return max(_speeds(self.worker.calibration), default=None)

    @property
    def clock_words(self) -> str:
        """How far its clock is from the database's; tenths of a second are not worth words."""
        seconds = self.worker.clock_skew_seconds
        if abs(seconds) < CLOCK_SAME_SECONDS:
            return _("in step with the database")
        values = {"seconds": f"{abs(seconds):.1f}"}
        if seconds > 0:
            return _("%(seconds)s s ahead of the database") % values
        return _("%(seconds)s s behind the database") % values


def _speeds(calibration: Any) -> Iterator[float]:
    """Measurements stand in it by base model and by kind of step."""
    if isinstance(calibration, list):
        for part in calibration:
            yield from _speeds(part)
    elif isinstance(calibration, dict):
        for key, part in calibration.items():
            if key == "tokens_per_second" and isinstance(part, int | float):
                yield float(part)
            else:
                yield from _speeds(part)


@dataclass(frozen=True, slots=True)
class Reader:
    """Who looks at the board, and what follows from that."""

    user: User
    led_cohort_ids: frozenset[UUID]

    @classmethod
    def of(cls, user: User) -> Reader:
        led = Cohort.objects.led_by(user).values_list("pk", flat=True)
        return cls(user, frozenset(led))

    @property
    def is_leader(self) -> bool:
        return self.user.is_staff or bool(self.led_cohort_ids)

    def may_name(self, job: TrainingJob) -> bool:
        is_own = job.owner_id == self.user.pk
        return is_own or self.user.is_staff or job.cohort_id in self.led_cohort_ids


def worker_board(reader: Reader) -> list[BoardEntry]:
    """Workers that work first, then those that do not; the long gone are left out."""
    oldest = timezone.now() - KEPT_SILENCE
    rows = [row for row in workers() if row.heartbeat_at >= oldest]
    held = _held_jobs(reader)
    entries = [BoardEntry(row, tuple(held[row.name]), reader.is_leader) for row in rows]
    return sorted(entries, key=lambda entry: (entry.is_down, entry.worker.name))


def _held_jobs(reader: Reader) -> dict[str, list[HeldJob]]:
    running = (
        TrainingJob.objects.filter(status=TrainingJob.Status.RUNNING)
        .select_related("owner")
        .only(
            *("name", "status", "worker_name", "cohort_id", "current_step", "total_steps"),
            *("owner__username", "owner__display_name"),
        )
        .order_by("started_at", "pk")
    )
    held: dict[str, list[HeldJob]] = defaultdict(list)
    visible = _visible_ids(reader, running)
    for job in running:
        held[job.worker_name].append(_held_job(reader, job, visible))
    return held


def _visible_ids(reader: Reader, jobs: Iterable[TrainingJob]) -> set[UUID]:
    """Jobs whose pages open for the reader."""
    visible = jobs_visible_to(reader.user).filter(pk__in=[job.pk for job in jobs])
    return set(visible.values_list("pk", flat=True))


def _held_job(reader: Reader, job: TrainingJob, visible: set[UUID]) -> HeldJob:
    if not reader.may_name(job):
        return HeldJob(progress=job.progress)
    address = ""
    if job.pk in visible:
        address = reverse("training:job_detail", args=[job.pk])
    elif reader.user.is_staff:
        address = reverse("admin:training_trainingjob_change", args=[job.pk])
    return HeldJob(
        name=job.name,
        owner_name=str(job.owner),
        job_id=job.pk,
        address=address,
        is_own=job.owner_id == reader.user.pk,
        progress=job.progress,
    )
