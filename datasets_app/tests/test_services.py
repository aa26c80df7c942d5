"""Making and deleting datasets leaves rows and files in step, whatever fails in between."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.files.storage import default_storage
from django.db import DatabaseError
from django.db.models.signals import pre_save

from accounts.models import User
from common.errors import ConflictError, DiskFullError, NotFoundError, UnavailableError
from datasets_app.models import Dataset, DatasetVersion
from datasets_app.selectors import (
    datasets_visible_to,
    get_dataset,
    latest_version,
    read_examples,
    read_records,
)
from datasets_app.services.creating import create_dataset_from_text
from datasets_app.services.deleting import delete_dataset
from datasets_app.tests.factories import (
    CHAT,
    INSTRUCTION,
    assert_nothing_stored,
    json_lines,
    make_dataset,
    stored_files,
    upload,
)
from modelhub.models import BaseModel
from training.models import TrainingJob

pytestmark = pytest.mark.django_db


def test_version_holds_the_facts_of_the_stored_file(student: User) -> None:
    dataset = upload(
        student, json_lines(INSTRUCTION, INSTRUCTION | {"output": "Nobody."}), "garden.jsonl"
    )
    version = latest_version(dataset)
    with default_storage.open(version.file, "rb") as stream:
        content = stream.read()
    assert version.digest == hashlib.sha256(content).hexdigest()
    assert version.size_bytes == len(content)
    assert (version.number, version.example_count) == (1, 2)
    assert version.character_count == sum(
        len(text) for text in (*INSTRUCTION.values(), INSTRUCTION["instruction"], "Nobody.")
    )
    assert (version.source_name, version.source_format, version.source_encoding) == (
        "garden.jsonl",
        "jsonl",
        "utf-8",
    )
    assert version.file == f"datasets/{dataset.pk}/v1.jsonl"


@pytest.mark.parametrize(
    ("file_name", "name", "source_name"),
    [
        ("garden.jsonl", "garden", "garden.jsonl"),
        ("../../etc/passwd", "passwd", "passwd"),
        ("C:\\data\\my set.csv", "my set", "my set.csv"),
        ("invoice\u202egpj.jsonl", "invoicegpj", "invoicegpj.jsonl"),
        ("x" * 300 + ".jsonl", "x" * 120, "x" * 194 + ".jsonl"),
    ],
)
def test_upload_without_a_name_takes_that_of_the_file(
    file_name: str, name: str, source_name: str, student: User
) -> None:
    dataset = upload(student, json_lines(INSTRUCTION), file_name)
    assert (dataset.name, latest_version(dataset).source_name) == (name, source_name)


def test_labels_are_cleaned(student: User) -> None:
    dataset = create_dataset_from_text(
        student,
        text=json_lines(INSTRUCTION).decode(),
        name=" School \n garden ",
        description="two\r\nlines\n",
    )
    assert (dataset.name, dataset.description) == ("School garden", "two\nlines")


def test_file_is_deleted_when_the_database_fails(student: User) -> None:
    def refuse(**_kwargs: object) -> None:
        raise DatabaseError("locked")

    before = stored_files()
    pre_save.connect(refuse, sender=DatasetVersion)
    try:
        with pytest.raises(DatabaseError):
            upload(student, json_lines(INSTRUCTION))
    finally:
        pre_save.disconnect(refuse, sender=DatasetVersion)
    assert_nothing_stored(before)


def test_nothing_is_taken_while_the_disk_is_nearly_full(
    student: User, settings: LazySettings
) -> None:
    settings.MIN_FREE_DISK_BYTES = 2**62
    before = stored_files()
    with pytest.raises(DiskFullError):
        upload(student, json_lines(INSTRUCTION))
    assert_nothing_stored(before)


def test_no_scratch_file_stays(student: User, settings: LazySettings) -> None:
    upload(student, json_lines(INSTRUCTION))
    assert not list(Path(settings.LLMLORA_HOME.work).glob("dataset-*"))


def test_deleting_removes_rows_and_files(
    student: User, django_capture_on_commit_callbacks: Any
) -> None:
    dataset = make_dataset(student)
    file = latest_version(dataset).file
    assert default_storage.exists(file)
    with django_capture_on_commit_callbacks(execute=True):
        delete_dataset(dataset)
    assert not Dataset.objects.exists()
    assert not DatasetVersion.objects.exists()
    assert not default_storage.exists(file)


def test_dataset_of_a_training_job_is_kept(
    student: User, django_capture_on_commit_callbacks
) -> None:
    dataset = make_dataset(student)
    base_model = BaseModel.objects.create(name="tiny", source=BaseModel.Source.LOCAL, digest="0")
    TrainingJob.objects.create(
        owner=student,
        name="job",
        base_model=base_model,
        dataset_version=latest_version(dataset),
        lora_config={},
        training_config={},
    )
    with (
        django_capture_on_commit_callbacks(execute=True),
        pytest.raises(ConflictError, match="Delete the job first"),
    ):
        delete_dataset(dataset)
    assert read_records(latest_version(dataset), limit=5) == [INSTRUCTION]


def test_people_see_only_their_own_datasets(
    student: User, other_student: User, instructor: User
) -> None:
    dataset = make_dataset(student)
    assert list(datasets_visible_to(student)) == [dataset]
    for person in (other_student, instructor):
        assert not datasets_visible_to(person).exists()
        with pytest.raises(NotFoundError):
            get_dataset(person, dataset.pk)


@pytest.mark.parametrize(
    "dataset_id", ["", "7", "not-an-id", "00000000-0000-4000-8000-000000000000"]
)
def test_unknown_id_is_not_found(dataset_id: str, student: User) -> None:
    with pytest.raises(NotFoundError):
        get_dataset(student, dataset_id)


def test_list_costs_the_same_queries_for_many_datasets(
    student: User, django_assert_num_queries
) -> None:
    for number in range(3):
        make_dataset(student, name=f"set {number}")
    with django_assert_num_queries(2):
        assert [dataset.latest.number for dataset in datasets_visible_to(student)] == [1, 1, 1]


def test_newest_dataset_comes_first(student: User) -> None:
    names = ["first", "second", "third"]
    for name in names:
        make_dataset(student, name=name)
    assert [dataset.name for dataset in datasets_visible_to(student)] == names[::-1]


def test_records_and_examples_are_read_from_an_offset(student: User) -> None:
    records = [INSTRUCTION | {"output": f"Answer {number}"} for number in range(5)]
    version = latest_version(make_dataset(student, records=records))
    assert read_records(version, limit=2, offset=3) == records[3:]
    assert read_records(version, limit=2, offset=9) == []
    (example,) = read_examples(version, limit=1, offset=4)
    assert [turn.content for turn in example.turns] == [INSTRUCTION["instruction"], "Answer 4"]


def test_a_lost_file_is_told_as_such(student: User) -> None:
    version = latest_version(make_dataset(student, records=[CHAT]))
    default_storage.delete(version.file)
    with pytest.raises(UnavailableError, match="missing on the server"):
        read_records(version, limit=1)
