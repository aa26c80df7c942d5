"""Where the button of a step leads: a real page, filled in for the student."""

from __future__ import annotations

from collections.abc import Callable

from django.urls import reverse
from django.utils.http import urlencode

from accounts.models import User
from courses.catalogue.schema import Action
from datasets_app.models import Dataset
from training.models import TrainingJob

Values = dict[str, str]


def address_of(action: Action, user: User) -> str:
    """Values that need a dataset or a job take the student's newest; without one the page asks."""
    return ADDRESSES[action.to](dict(action.values), user)


def _starter_sets(values: Values, _user: User) -> str:
    return reverse("courses:starter_sets") + f"#starter-{values.get('level', '1')}"


def _newest_dataset_page(_values: Values, user: User) -> str:
    dataset = _newest_dataset(user)
    if dataset is None:
        return reverse("courses:starter_sets")
    return reverse("datasets:dataset_detail", args=[dataset.pk])


def _new_job(values: Values, user: User) -> str:
    return _with(reverse("training:job_new"), _job_values(values, user))


def _newest_job_page(_values: Values, user: User) -> str:
    job = _newest_job(user)
    return reverse("training:job_detail", args=[job.pk]) if job else reverse("training:job_new")


def _about_newest_job(name: str, parameter: str) -> Callable[[Values, User], str]:
    def address(values: Values, user: User) -> str:
        job = _newest_job(user)
        return _with(reverse(name), values | ({parameter: str(job.pk)} if job else {}))

    return address


ADDRESSES: dict[str, Callable[[Values, User], str]] = {
    "datasets.starter": _starter_sets,
    "datasets.new": lambda _values, _user: reverse("datasets:dataset_new"),
    "datasets.newest": _newest_dataset_page,
    "training.new": _new_job,
    "training.newest": _newest_job_page,
    "training.compare": lambda _values, _user: reverse("training:job_list"),
    "sweeps.new": _about_newest_job("training:sweep_new", "from"),
    "chat.new": _about_newest_job("chat:session_new", "job"),
    "prompts.new": _about_newest_job("chat:prompt_run_new", "job"),
}


def _job_values(values: dict[str, str], user: User) -> dict[str, str]:
    if values.pop("dataset", "") == "newest" and (dataset := _newest_dataset(user)):
        values["dataset"] = str(dataset.pk)
    if values.pop("from", "") == "newest" and (job := _newest_job(user)):
        values["from"] = str(job.pk)
    return values


def _newest_dataset(user: User) -> Dataset | None:
    return Dataset.objects.owned_by(user).order_by("-updated_at").first()


def _newest_job(user: User) -> TrainingJob | None:
    jobs = TrainingJob.objects.filter(owner=user)
    completed = jobs.filter(status=TrainingJob.Status.COMPLETED)
    return completed.order_by("-created_at").first() or jobs.order_by("-created_at").first()


def _with(address: str, values: dict[str, str]) -> str:
    return f"{address}?{urlencode(values)}" if values else address
