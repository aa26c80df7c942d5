"""Space that datasets take: what counts, what does not, and the sentence when it is too much."""

from __future__ import annotations

import pytest
from django.conf import LazySettings
from django.template.loader import render_to_string

from accounts.models import User
from datasets_app.models import DatasetImport, DatasetVersion
from datasets_app.quotas import (
    QuotaError,
    SpaceUse,
    check_quota,
    cohort_space,
    dataset_bytes,
    user_space,
)
from datasets_app.selectors import latest_version
from datasets_app.services.versioning import save_records
from datasets_app.tests.classroom import cohort_audience, make_cohort, share
from datasets_app.tests.factories import INSTRUCTION, make_dataset

pytestmark = pytest.mark.django_db
OTHER = INSTRUCTION | {"output": "Nobody does."}


def size_of(version: DatasetVersion) -> int:
    return version.size_bytes


def test_versions_with_one_file_count_once(student: User) -> None:
    dataset = make_dataset(student)
    first = latest_version(dataset)
    second = save_records(first, [OTHER], author=student, change={})
    save_records(second, [INSTRUCTION], author=student, change={})
    assert dataset.versions.count() == 3
    expected = size_of(first) + size_of(second)
    assert dataset_bytes(dataset) == user_space(student).used == expected


def test_only_ones_own_datasets_count(student: User, other_student: User) -> None:
    cohort = make_cohort(student=student, assistant=other_student)
    theirs = share(make_dataset(other_student), cohort_audience(cohort))
    assert user_space(student).used == 0
    assert cohort_space(cohort).used == dataset_bytes(theirs) > 0
    make_dataset(other_student)
    assert cohort_space(cohort).used == dataset_bytes(theirs)


@pytest.mark.parametrize(
    ("state", "counts"), [("checking", True), ("open", True), ("done", False), ("failed", False)]
)
def test_uploads_that_still_wait_count(state: str, counts: bool, student: User) -> None:
    DatasetImport.objects.create(owner=student, name="a", state=state, size_bytes=1000)
    assert user_space(student).used == (1000 if counts else 0)


def test_limits_come_from_settings_and_cohort(student: User, settings: LazySettings) -> None:
    settings.USER_DATASET_BYTES = 123
    cohort = make_cohort()
    cohort.dataset_quota_bytes = 456
    assert (user_space(student).limit, cohort_space(cohort).limit) == (123, 456)


def test_the_last_byte_fits_and_one_more_does_not(student: User, settings: LazySettings) -> None:
    used = dataset_bytes(make_dataset(student))
    settings.USER_DATASET_BYTES = used + 10
    check_quota(student, 10)
    with pytest.raises(QuotaError) as caught:
        check_quota(student, 11)
    assert (caught.value.code, caught.value.status) == ("quota", 413)
    sentence = str(caught.value.message)
    assert f"{used}\xa0bytes of {used + 10}\xa0bytes" in sentence
    assert "11\xa0bytes more" in sentence
    assert "Delete datasets or old versions" in sentence


def test_what_needs_no_room_is_never_refused(student: User, settings: LazySettings) -> None:
    make_dataset(student)
    settings.USER_DATASET_BYTES = 1
    check_quota(student, 0)


def test_somebody_elses_limit_names_them(
    student: User, other_student: User, settings: LazySettings
) -> None:
    settings.USER_DATASET_BYTES = 1
    with pytest.raises(QuotaError, match="The datasets of aiko"):
        check_quota(student, 2, asked_by=other_student)


def test_the_cohort_is_asked_too(student: User) -> None:
    cohort = make_cohort()
    cohort.dataset_quota_bytes = 1
    check_quota(student, 2)
    with pytest.raises(QuotaError, match="shared with Class 2B"):
        check_quota(student, 2, cohort)


@pytest.mark.parametrize(
    ("used", "warning"),
    [(1_288_490_189, ""), (4_000_000_000, "Nearly full"), (5_000_000_000, "Full")],
)
def test_the_meter_says_use_and_limit_in_words(used: int, warning: str) -> None:
    space = SpaceUse(used=used, limit=4 * 1024**3)
    context = {"space": space, "label": "Your space", "name": "user"}
    text = render_to_string("datasets_app/quota.html", context)
    assert "of 4.0\xa0GB used" in text
    assert f'value="{used}"' in text
    assert ("<strong>" in text) is bool(warning)
    assert f"<strong>{warning}</strong>" in text or not warning
    assert 'aria-labelledby="quota-user"' in text
