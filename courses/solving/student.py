"""Who plays a course: what the reference student has so far, and how it waits for the machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from django.test import Client

from courses.catalogue.schema import Step
from courses.models import Enrolment
from courses.solving.solution import Solution
from datasets_app.models import Dataset
from training.models import TrainingJob

POLL_SECONDS = 0.1
LIMIT_SECONDS = 3600.0


class UnsolvableError(Exception):
    """Something that the solution needs did not happen; says what."""


@dataclass
class ReferenceStudent:
    """
    Args:
        base_model: name of the model that is tuned.
        seed: of every training job.
        rate_factor: learning rates are multiplied by this; a stand-in for the base model needs others.
        step: at which the student works.
        trained: keys of steps whose jobs were trained.
    """

    enrolment: Enrolment
    level: int
    solution: Solution
    language: str
    base_model: str
    seed: int
    step: Step
    rate_factor: float = 1.0
    dataset: Dataset | None = None
    jobs: list[TrainingJob] = field(default_factory=list)
    trained: set[str] = field(default_factory=set)

    @property
    def newest_job(self) -> TrainingJob:
        """
        Raises:
            UnsolvableError: nothing was trained yet.
        """
        if not self.jobs:
            raise UnsolvableError("there is no tuned model yet")
        return self.jobs[-1]

    @property
    def best_job(self) -> TrainingJob:
        """The one with the lowest held-out loss, which is what the courses say to ask; else the newest.

        Raises:
            UnsolvableError: nothing was trained yet.
        """
        measured = TrainingJob.objects.filter(
            pk__in=[job.pk for job in self.jobs], eval_loss__isnull=False, adapter__isnull=False
        )
        return measured.order_by("eval_loss").first() or self.newest_job

    @property
    def own_dataset(self) -> Dataset:
        """
        Raises:
            UnsolvableError: nothing was prepared yet.
        """
        if self.dataset is None:
            raise UnsolvableError("there is no dataset yet")
        return self.dataset

    def browser(self) -> Client:
        """Signed in; it opens the pages that a course wants to have been seen."""
        browser = Client(HTTP_HOST="localhost")
        browser.force_login(
            self.enrolment.user, backend="allauth.account.auth_backends.AuthenticationBackend"
        )
        return browser


def wait(is_over: Callable[[], bool]) -> None:
    """
    Raises:
        UnsolvableError: it took longer than any step of a course may.
    """
    ends = time.monotonic() + LIMIT_SECONDS
    while not is_over():
        if time.monotonic() > ends:
            raise UnsolvableError(f"nothing happened for {LIMIT_SECONDS:.0f} seconds")
        time.sleep(POLL_SECONDS)
