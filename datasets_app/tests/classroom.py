"""A cohort with one person of every role, and datasets that it sees, made by the same services as everybody's."""

from __future__ import annotations

from accounts.models import Cohort, Membership, User
from datasets_app.models import Contribution, Dataset
from datasets_app.services.class_datasets import create_class_dataset
from datasets_app.services.class_rows import add_row
from datasets_app.services.sharing import share_dataset
from datasets_app.sharing.audience import Audience
from datasets_app.tests.factories import CHAT, COMPLETION, INSTRUCTION, json_lines

FIRST_ROWS = {"instruction": INSTRUCTION, "chat": CHAT, "completion": COMPLETION}


def make_person(username: str, **fields: object) -> User:
    return User.objects.create_user(username, f"{username}@example.org", "secret-bell", **fields)


def join(cohort: Cohort, user: User, role: str = "student") -> User:
    Membership.objects.create(cohort=cohort, user=user, role=role)
    return user


def make_cohort(name: str = "Class 2B", **people: User) -> Cohort:
    """A cohort of people by their role."""
    cohort = Cohort.objects.create(name=name)
    for role, user in people.items():
        join(cohort, user, role)
    return cohort


def cohort_audience(cohort: Cohort) -> Audience:
    return Audience(Dataset.Visibility.COHORT, cohort=cohort)


def course_audience(course: str = "level-1") -> Audience:
    return Audience(Dataset.Visibility.COURSE, course=course)


def share(dataset: Dataset, audience: Audience) -> Dataset:
    share_dataset(dataset.owner, dataset, audience)
    return dataset


def make_class_dataset(
    leader: User, cohort: Cohort, *, dataset_type: str = "instruction", name: str = "Our garden"
) -> Dataset:
    return create_class_dataset(
        leader,
        cohort,
        name=name,
        description="",
        dataset_type=dataset_type,
        rows=json_lines(FIRST_ROWS[dataset_type]).decode(),
    )


def offer(author: User, dataset: Dataset, number: int = 1) -> Contribution:
    return add_row(author, dataset, question=f"Question {number}?", answer=f"Answer {number}.")
