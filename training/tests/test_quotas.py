"""What a class allows its students, and the sentences where the answer is no."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Cohort, ComputePolicy, User
from common.errors import TooManyRequestsError
from engine.config import LoraHyperparameters
from training.models import DeviceUsage, TrainingJob
from training.services import quotas
from training.services.quotas import check_queue, quota_faults
from training.tests.factories import make_training_job

pytestmark = pytest.mark.django_db


def make_class(**policy: Any) -> Cohort:
    cohort = Cohort.objects.create(name="Garden class")
    if policy:
        ComputePolicy.objects.create(cohort=cohort, **policy)
    return cohort


def fields_of(cohort: Cohort | None, lora: dict[str, Any], steps: int = 10) -> list[str | None]:
    found = quota_faults(cohort, LoraHyperparameters.from_mapping(lora), steps)
    return [fault.field for fault in found]


def refusal(owner: User, cohort: Cohort | None) -> TooManyRequestsError:
    with pytest.raises(TooManyRequestsError) as refused:
        check_queue(owner, cohort)
    return refused.value


def use_device(user: User, cohort: Cohort | None, seconds: float, *, days_ago: int = 0) -> None:
    day = (timezone.now() - timedelta(days=days_ago)).date()
    DeviceUsage.objects.create(user=user, cohort=cohort, day=day, seconds=seconds)


def test_ranks_and_steps_are_limited_where_the_class_says_so() -> None:
    cohort = make_class(max_rank=8, max_steps=100)
    assert fields_of(cohort, {"r": 8}, steps=100) == []
    assert fields_of(cohort, {"r": 9}) == ["lora_config.r"]
    assert fields_of(cohort, {"r": 8, "rank_pattern": {"q_proj": 16}}) == [
        "lora_config.rank_pattern"
    ]
    assert fields_of(cohort, {}, steps=101) == ["training_config.num_epochs"]
    (fault,) = quota_faults(cohort, LoraHyperparameters(), 240)
    assert "240 steps" in str(fault.message)
    assert "100 at most" in str(fault.message)


@pytest.mark.parametrize("policy", [{}, {"weight": 2.0}])
def test_an_empty_limit_is_none(policy: dict[str, Any]) -> None:
    assert fields_of(make_class(**policy), {"r": 64}, steps=10_000) == []
    assert fields_of(None, {"r": 64}, steps=10_000) == []


def test_waiting_jobs_are_counted_in_their_class(student: User) -> None:
    cohort = make_class(max_queued_jobs=2)
    first = make_training_job(student, cohort=cohort)
    make_training_job(student, dataset_version=first.dataset_version)
    check_queue(student, cohort)
    second = make_training_job(student, cohort=cohort, dataset_version=first.dataset_version)
    error = refusal(student, cohort)
    assert "2 waiting jobs" in str(error)
    assert error.retry_after_seconds == 60
    check_queue(student, None)
    TrainingJob.objects.filter(pk=second.pk).update(status="cancelled")
    check_queue(student, cohort)


def test_a_used_up_day_is_free_again_at_midnight(student: User, other_student: User) -> None:
    cohort = make_class(max_device_seconds=600)
    use_device(student, cohort, 900.0, days_ago=1)
    use_device(student, None, 900.0)
    use_device(other_student, cohort, 900.0)
    use_device(student, cohort, 599.0)
    check_queue(student, cohort)
    DeviceUsage.objects.filter(seconds=599.0).update(seconds=600.0)
    error = refusal(student, cohort)
    assert "10 minutes of device time a day" in str(error)
    assert 0 < error.retry_after_seconds <= 86_400
    free_at = timezone.now() + timedelta(seconds=error.retry_after_seconds)
    assert (free_at.hour, free_at.minute) == (0, 0)
    check_queue(student, None)


def test_one_person_does_not_fill_the_queue_of_all(
    student: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "MAX_ACTIVE_JOBS_PER_PERSON", 1)
    check_queue(student, None)
    make_training_job(student)
    assert "1 jobs waiting or running" in str(refusal(student, None))
