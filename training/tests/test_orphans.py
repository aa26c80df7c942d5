"""Files in storage that belong to no result any more go; what a job still needs stays."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from accounts.models import User
from common import storage
from training.execution import sweep_artifacts
from training.models import TrainingJob
from training.tests.factories import make_completed_job, make_failed_job, make_running_job

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_other_jobs() -> None:
    """Tests of other files leave files in the storage that they share."""
    storage.delete_prefix("jobs")


def put(prefix: str) -> str:
    default_storage.save(f"{prefix}/manifest.json", ContentFile(b"{}"))
    return prefix


def is_there(prefix: str) -> bool:
    return default_storage.exists(f"{prefix}/manifest.json")


def test_lost_attempts_and_deleted_jobs_go_and_results_stay(student: User) -> None:
    done = make_completed_job(student)
    result = put(f"jobs/{done.pk}/attempt-2")
    done.adapter.prefix = result
    done.adapter.save()
    running, _lease = make_running_job(student, dataset_version=done.dataset_version)
    kept = [result, put(f"jobs/{running.pk}/attempt-1"), put(f"jobs/{running.pk}/attempt-2")]
    lost = [
        put(f"jobs/{done.pk}/attempt-1"),
        put(f"jobs/{running.pk}/attempt-0"),
        put(f"jobs/{uuid.uuid4()}/attempt-1"),
    ]
    exports = put(f"jobs/{done.pk}/exports")
    assert sweep_artifacts() == len(lost)
    assert [is_there(prefix) for prefix in [*kept, exports]] == [True] * 4
    assert [is_there(prefix) for prefix in lost] == [False] * 3
    assert sweep_artifacts() == 0


def test_checkpoints_stay_as_long_as_their_job_can_be_resumed(student: User) -> None:
    failed = make_failed_job(student, code="engine_died")
    prefix = put(f"jobs/{failed.pk}/checkpoints")
    sweep_artifacts()
    assert is_there(prefix)
    long_ago = timezone.now() - timedelta(hours=25)
    TrainingJob.objects.filter(pk=failed.pk).update(completed_at=long_ago)
    sweep_artifacts()
    assert not is_there(prefix)
