"""What the students of a class do in its courses at this moment; in as many queries for forty as for one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from uuid import UUID

from django.db.models import F, Max, Prefetch, Q, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from accounts.models import Cohort, Membership
from courses.catalogue.schema import CourseContent, Step
from courses.models import CohortCourse, Enrolment, HelpRequest, StepProgress
from courses.selectors.content import content_of
from courses.selectors.names import shown_names
from courses.selectors.pinned import PinnedCourse
from courses.selectors.progress import CourseStanding, Standing, StepStanding, fold
from training.models import TrainingJob
from training.queue.standing import Standing as QueueStanding
from training.queue.standing import Standings, queue_standings

Status = TrainingJob.Status

NEWEST_JOBS = 2
ENOUGH_FOR_A_MEDIAN = 3
JOB_PREDICATES = ("job.", "jobs.", "sweep.")


@dataclass(frozen=True, slots=True)
class DeviceWork:
    """A student's job that a device has, or that waits for one.

    Attributes:
        queue: how it waits; None while it runs.
        place_count: jobs of everybody that have a place in the queue.
    """

    share: float = 0.0
    queue: QueueStanding | None = None
    place_count: int = 0

    @property
    def is_running(self) -> bool:
        return self.queue is None


@dataclass(frozen=True, slots=True)
class StudentWork:
    """One student in one course.

    Attributes:
        course: None before the student has begun it with this class.
        newest_jobs: of this course, the newest first.
        help: a raised hand that stands.
    """

    user_id: int
    name: str
    course: CourseStanding | None = None
    device: DeviceWork | None = None
    newest_jobs: tuple[TrainingJob, ...] = ()
    help: HelpRequest | None = None

    @property
    def current(self) -> StepStanding | None:
        return self.course.current_step if self.course is not None else None

    @property
    def is_done(self) -> bool:
        return self.course is not None and self.course.is_complete

    @property
    def waits_for_device(self) -> bool:
        """Whether a device has to work now, and not the student: nobody is stuck meanwhile."""
        item = self.current
        if item is None:
            return False
        return item.standing == Standing.WAITING or (
            self.device is not None and asks_for_job(item.step, item.progress)
        )


@dataclass(frozen=True, slots=True)
class CourseWork:
    """A class in one of its courses.

    Attributes:
        usual_seconds: by the step's key, the median time of those who passed it, where enough have.
    """

    pinned: CohortCourse
    content: CourseContent
    students: tuple[StudentWork, ...]
    now: datetime
    usual_seconds: Mapping[str, float] = field(default_factory=dict)


def newest_first(cohort: Cohort, courses: Iterable[PinnedCourse]) -> list[PinnedCourse]:
    """The courses of a class, that with the newest activity first."""
    seen = dict(
        StepProgress.objects.filter(enrolment__cohort=cohort)
        .order_by()
        .values_list("enrolment__course_id")
        .annotate(last=Max("last_seen_at"))
    )
    oldest = timezone.make_aware(datetime(1970, 1, 2))
    return sorted(courses, key=lambda item: seen.get(item.row.course_id) or oldest, reverse=True)


def read_classwork(
    cohort: Cohort, pinned: Sequence[CohortCourse], *, is_projected: bool = False
) -> list[CourseWork]:
    """Every student of the class in each of these courses."""
    names = shown_names(cohort, is_projected=is_projected)
    students = Membership.objects.filter(cohort=cohort, role=Membership.Role.STUDENT)
    ids = list(students.values_list("user_id", flat=True))
    enrolments = _enrolments(cohort, pinned, ids)
    jobs = _jobs(ids, enrolments)
    standings = queue_standings() if any(_waits(job) for job in jobs) else {}
    by_owner: dict[int, list[TrainingJob]] = defaultdict(list)
    for job in jobs:
        by_owner[job.owner_id].append(job)
    hands = _hands(enrolments)
    now = timezone.now()
    found = []
    for row in pinned:
        taken = {item.user_id: item for item in enrolments if item.course_id == row.course_id}
        works = tuple(
            _student(user_id, names, row, taken.get(user_id), by_owner[user_id], standings, hands)
            for user_id in ids
        )
        content = content_of(row.version_id)
        found.append(CourseWork(row, content, works, now, _usual_seconds(taken.values())))
    return found


def asks_for_job(step: Step, progress: StepProgress | None) -> bool:
    """Whether a step still waits for something that only a training job can give."""
    stored = progress.checks if progress is not None else {}
    return any(
        check.predicate.startswith(JOB_PREDICATES)
        and stored.get(check.key, {}).get("outcome") != "pass"
        for check in step.checks
    )


def _enrolments(cohort: Cohort, pinned: Sequence[CohortCourse], ids: list[int]) -> list[Enrolment]:
    courses = [row.course_id for row in pinned]
    taken = Enrolment.objects.filter(cohort=cohort, course__in=courses, user__in=ids)
    # Their own order would join and sort what is looked up by key anyway.
    steps = Prefetch("steps", StepProgress.objects.order_by())
    return list(taken.prefetch_related(steps).order_by())


def _jobs(ids: list[int], enrolments: Iterable[Enrolment]) -> list[TrainingJob]:
    """The newest jobs of each student, and all that are not over."""
    began = min((item.started_at for item in enrolments), default=None)
    if began is None:
        return []
    rank = Window(RowNumber(), partition_by=F("owner_id"), order_by=F("created_at").desc())
    jobs = TrainingJob.objects.filter(owner__in=ids, created_at__gte=began).annotate(rank=rank)
    wanted = jobs.filter(Q(rank__lte=NEWEST_JOBS) | Q(status__in=[Status.PENDING, Status.RUNNING]))
    fields = ("owner_id", "status", "error_code", "error_params", "created_at")
    return list(wanted.only(*fields, "current_step", "total_steps").order_by("-created_at"))


def _waits(job: TrainingJob) -> bool:
    return job.status == Status.PENDING


def _hands(enrolments: Iterable[Enrolment]) -> dict[UUID, HelpRequest]:
    standing = HelpRequest.objects.filter(
        enrolment__in=list(enrolments), state__in=HelpRequest.STANDING
    )
    return {row.enrolment_id: row for row in standing.select_related("helper")}


def _student(
    user_id: int,
    names: Mapping[int, str],
    pinned: CohortCourse,
    enrolment: Enrolment | None,
    jobs: Sequence[TrainingJob],
    standings: Standings,
    hands: Mapping[UUID, HelpRequest],
) -> StudentWork:
    name = names.get(user_id, "")
    if enrolment is None:
        return StudentWork(user_id, name)
    rows = {row.step_key: row for row in enrolment.steps.all()}
    course = fold(enrolment, content_of(enrolment.version_id), rows, pinned.opened_steps)
    own = [job for job in jobs if job.created_at >= enrolment.started_at]
    hand = hands.get(enrolment.pk)
    if hand is not None and course.is_past(hand.step_key):
        hand = None
    return StudentWork(
        user_id, name, course, _device(own, standings), tuple(own[:NEWEST_JOBS]), hand
    )


def _device(jobs: Sequence[TrainingJob], standings: Standings) -> DeviceWork | None:
    """Of the job that runs, else of the one that is next."""
    running = [job.progress for job in jobs if job.status == Status.RUNNING]
    if running:
        return DeviceWork(share=max(running))
    waiting = [standings[job.pk] for job in jobs if _waits(job) and job.pk in standings]
    if not waiting:
        return None
    places = sum(standing.position is not None for standing in standings.values())
    first = min(waiting, key=lambda standing: standing.position or places + 1)
    return DeviceWork(queue=first, place_count=places)


def _usual_seconds(enrolments: Iterable[Enrolment]) -> dict[str, float]:
    times: dict[str, list[int]] = defaultdict(list)
    for enrolment in enrolments:
        for row in enrolment.steps.all():
            if row.state == StepProgress.State.PASSED and row.active_seconds:
                times[row.step_key].append(row.active_seconds)
    return {key: median(found) for key, found in times.items() if len(found) >= ENOUGH_FOR_A_MEDIAN}
