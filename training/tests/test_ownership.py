"""What goes with a person, and what stays while somebody needs it."""

from __future__ import annotations

import pytest

from accounts.models import User
from common.errors import ConflictError
from datasets_app.services.deleting import delete_dataset
from training.models import TrainingJob
from training.tests.factories import make_completed_job, make_dataset_version

pytestmark = pytest.mark.django_db


def test_a_person_is_deleted_with_all_jobs_and_datasets(student: User) -> None:
    measured = make_dataset_version(student, name="Unseen")
    make_completed_job(student, eval_dataset_version=measured)
    student.delete()
    assert not TrainingJob.objects.exists()


def test_a_dataset_that_a_job_refers_to_stays(student: User) -> None:
    measured = make_dataset_version(student, name="Unseen")
    job = make_completed_job(student, eval_dataset_version=measured)
    for version in (job.dataset_version, measured):
        with pytest.raises(ConflictError):
            delete_dataset(version.dataset)
