"""What a person's home page shows, read through the other apps' selectors."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from accounts.models import User
from chat.models import ChatSession
from chat.selectors import sessions_visible_to, talkable_jobs
from datasets_app.models import Dataset
from datasets_app.selectors import datasets_visible_to
from modelhub.models import BaseModel, Worker
from modelhub.selectors import base_models, is_talkable, workers
from training.models import TrainingJob
from training.selectors import jobs_visible_to

SHOWN_ROWS = 5


class Next(StrEnum):
    BRING_DATA = "bring_data"
    TRAIN = "train"
    WATCH = "watch"
    TALK = "talk"
    GO_ON = "go_on"


@dataclass(frozen=True, slots=True)
class NextStep:
    """The one thing to do now, and with what."""

    kind: Next
    dataset: Dataset | None = None
    job: TrainingJob | None = None


@dataclass(frozen=True, slots=True)
class Home:
    next_step: NextStep
    jobs: list[TrainingJob]
    datasets: list[Dataset]
    tuned_jobs: list[TrainingJob]
    sessions: list[ChatSession]
    base_models: list[tuple[BaseModel, bool]]
    workers: list[Worker]

    @property
    def has_live_worker(self) -> bool:
        return any(worker.state != Worker.State.DOWN for worker in self.workers)

    @property
    def has_active_job(self) -> bool:
        return any(job.is_active for job in self.jobs)


def home_of(user: User) -> Home:
    jobs = list(jobs_visible_to(user)[:SHOWN_ROWS])
    datasets = list(datasets_visible_to(user)[:SHOWN_ROWS])
    tuned_jobs = list(talkable_jobs(user)[:SHOWN_ROWS])
    sessions = list(sessions_visible_to(user)[:SHOWN_ROWS])
    return Home(
        next_step=_next_step(jobs, datasets, tuned_jobs, sessions),
        jobs=jobs,
        datasets=datasets,
        tuned_jobs=tuned_jobs,
        sessions=sessions,
        base_models=[(base_model, is_talkable(base_model)) for base_model in base_models()],
        workers=workers(),
    )


def _next_step(
    jobs: list[TrainingJob],
    datasets: list[Dataset],
    tuned_jobs: list[TrainingJob],
    sessions: list[ChatSession],
) -> NextStep:
    active = next((job for job in jobs if job.is_active), None)
    if active:
        return NextStep(Next.WATCH, job=active)
    talked_about = {answerer.job_id for session in sessions for answerer in session.answerers.all()}
    untried = next((job for job in tuned_jobs if job.pk not in talked_about), None)
    if untried:
        return NextStep(Next.TALK, job=untried)
    if tuned_jobs:
        return NextStep(Next.GO_ON, job=tuned_jobs[0])
    if datasets:
        return NextStep(Next.TRAIN, dataset=datasets[0])
    return NextStep(Next.BRING_DATA)
