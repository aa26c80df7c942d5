"""What the predicates of one step look at: one student's own things since the course began, each read once."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property

from accounts.models import Membership, User
from courses.catalogue.schema import Check, CourseContent, Step
from courses.models import Enrolment, StepProgress
from datasets_app.models import Dataset, DatasetVersion
from training.models import TrainingJob

MOST_JOBS = 200
MOST_VERSIONS = 100


class Situation:
    """
    Args:
        progress: of the student at the step.
    """

    def __init__(
        self, enrolment: Enrolment, content: CourseContent, step: Step, progress: StepProgress
    ) -> None:
        self.enrolment = enrolment
        self.content = content
        self.step = step
        self.progress = progress
        self.check: Check = step.checks[0]

    @property
    def user(self) -> User:
        return self.enrolment.user

    @property
    def level(self) -> int:
        return self.content.about.level

    @property
    def began_at(self) -> datetime:
        return self.enrolment.started_at

    @cached_property
    def jobs(self) -> list[TrainingJob]:
        """The student's jobs of this course, newest first, whatever became of them."""
        jobs = TrainingJob.objects.filter(owner=self.user, created_at__gte=self.began_at)
        related = ("dataset_version__dataset", "eval_dataset_version", "base_model", "adapter")
        return list(jobs.select_related(*related).order_by("-created_at")[:MOST_JOBS])

    @cached_property
    def completed_jobs(self) -> list[TrainingJob]:
        """Those that a worker completed with an adapter."""
        return [
            job
            for job in self.jobs
            if job.status == TrainingJob.Status.COMPLETED and hasattr(job, "adapter")
        ]

    @cached_property
    def active_jobs(self) -> list[TrainingJob]:
        return [job for job in self.jobs if job.is_active]

    @cached_property
    def versions(self) -> list[DatasetVersion]:
        """The newest versions of the student's own datasets."""
        datasets = Dataset.objects.owned_by(self.user).prefetch_related("versions")
        return [dataset.latest for dataset in datasets.order_by("-updated_at")[:MOST_VERSIONS]]

    @cached_property
    def classmate_ids(self) -> list[int]:
        """The other people of the cohort that the course is taken with."""
        if self.enrolment.cohort_id is None:
            return []
        members = Membership.objects.filter(cohort_id=self.enrolment.cohort_id)
        return list(members.exclude(user=self.user).values_list("user_id", flat=True))
