"""The API calls about versions: read, change, compare, restore, split, copy, overlap and download."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import Cohort, Membership, User
from datasets_app.models import Dataset, DatasetEvent
from datasets_app.tests.factories import INSTRUCTION, make_dataset

pytestmark = pytest.mark.django_db
OTHER = INSTRUCTION | {"output": "Nobody."}


@pytest.fixture
def dataset(student: User) -> Dataset:
    return make_dataset(student, records=[INSTRUCTION, OTHER])


@pytest.fixture
def api(student: User, client_of: Callable[[User], Client]) -> Client:
    return client_of(student)


def send(client: Client, method: str, path: str, body: Any = None) -> Any:
    return getattr(client, method)(f"/api/datasets/{path}", body, content_type="application/json")


def test_rows_are_changed_added_and_deleted_each_as_a_version(
    api: Client, dataset: Dataset
) -> None:
    changed = INSTRUCTION | {"output": "Class 3A."}
    answer = send(api, "put", f"{dataset.pk}/rows/1", {"record": changed, "base_number": 1})
    assert (answer.status_code, answer.json()["number"]) == (201, 2)
    added = {"instruction": "When?", "output": "On Monday."}
    assert (
        send(api, "post", f"{dataset.pk}/rows", {"record": added, "base_number": 2}).status_code
        == 201
    )
    assert send(api, "delete", f"{dataset.pk}/rows/2?base_number=3").status_code == 201
    assert api.get(f"/api/datasets/{dataset.pk}/data").json()["items"] == [changed, added]
    assert api.get(f"/api/datasets/{dataset.pk}/versions/1/data").json()["items"] == [
        INSTRUCTION,
        OTHER,
    ]
    versions = api.get(f"/api/datasets/{dataset.pk}/versions").json()
    assert [version["number"] for version in versions] == [4, 3, 2, 1]
    assert versions[0]["change"] == "Example 2 was deleted."


def test_a_change_of_an_old_version_answers_409_and_a_bad_record_422(
    api: Client, dataset: Dataset
) -> None:
    body = {"record": OTHER, "base_number": 7}
    assert send(api, "put", f"{dataset.pk}/rows/1", body).status_code == 409
    answer = send(api, "put", f"{dataset.pk}/rows/1", {"record": {"x": 1}, "base_number": 1})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["line"] == 1
    assert send(api, "put", f"{dataset.pk}/rows/9", body | {"base_number": 1}).status_code == 404


def test_versions_are_compared_restored_and_deleted(api: Client, dataset: Dataset) -> None:
    send(api, "delete", f"{dataset.pk}/rows/2?base_number=1")
    body = api.get(f"/api/datasets/{dataset.pk}/versions/1/2").json()
    assert (body["removed"], body["unchanged"], body["added"]) == (1, 1, 0)
    assert body["differences"] == [{"kind": "removed", "old": 2, "new": None}]
    answer = send(api, "post", f"{dataset.pk}/versions/1/restore?base_number=2")
    assert (answer.status_code, answer.json()["size"]) == (201, 2)
    assert send(api, "delete", f"{dataset.pk}/versions/2").status_code == 204
    assert api.get(f"/api/datasets/{dataset.pk}/versions/2/data").status_code == 404


def test_a_split_gives_two_datasets_and_the_same_ones_again(api: Client, student: User) -> None:
    records = [{"instruction": f"Question {n}?", "output": "Yes. " * (n + 1)} for n in range(12)]
    dataset = make_dataset(student, records=records)
    parts = [
        send(api, "post", f"{dataset.pk}/split", {"evaluation_count": 3, "seed": 0}).json()
        for _ in range(2)
    ]
    assert (parts[0]["training"]["size"], parts[0]["evaluation"]["size"]) == (9, 3)
    assert parts[0]["evaluation"]["digest"] == parts[1]["evaluation"]["digest"]
    overlap = api.get(
        f"/api/datasets/{parts[0]['training']['id']}/overlap",
        {"evaluation_dataset_id": parts[0]["evaluation"]["id"]},
    ).json()
    assert (overlap["leak_count"], overlap["evaluation_count"], overlap["is_whole"]) == (0, 3, True)


def test_overlap_names_the_leaks(api: Client, dataset: Dataset, student: User) -> None:
    evaluation = make_dataset(
        student, records=[{"instruction": "New?", "output": "Yes."}, INSTRUCTION]
    )
    body = api.get(
        f"/api/datasets/{dataset.pk}/overlap", {"evaluation_dataset_id": str(evaluation.pk)}
    ).json()
    assert body["leaks"] == [
        {"number": 2, "training_number": 1, "share": 1.0, "is_same_question": True}
    ]
    assert body["shared_answer_count"] == 0


@pytest.mark.parametrize("wanted", ["jsonl", "csv", "parquet"])
def test_downloads_are_files_and_are_written_down(
    wanted: str, api: Client, dataset: Dataset
) -> None:
    answer = api.get(f"/api/datasets/{dataset.pk}/download", {"format": wanted})
    assert answer.status_code == 200
    assert answer["Content-Disposition"].startswith("attachment")
    assert b"".join(answer.streaming_content)
    assert DatasetEvent.objects.get().details["format"] == wanted
    assert api.get(f"/api/datasets/{dataset.pk}/download", {"format": "exe"}).status_code == 422


def test_a_shared_dataset_is_read_and_copied_but_not_changed(
    dataset: Dataset, student: User, other_student: User, client_of: Callable[[User], Client]
) -> None:
    cohort = Cohort.objects.create(name="2B")
    for person in (student, other_student):
        Membership.objects.create(cohort=cohort, user=person)
    reader = client_of(other_student)
    assert reader.get(f"/api/datasets/{dataset.pk}/versions").status_code == 404
    Dataset.objects.update(visibility=Dataset.Visibility.COHORT, cohort=cohort)
    assert reader.get(f"/api/datasets/{dataset.pk}/versions").status_code == 200
    for method, path, body in (
        ("put", "rows/1", {"record": OTHER, "base_number": 1}),
        ("post", "rows", {"record": OTHER, "base_number": 1}),
        ("delete", "rows/1?base_number=1", None),
        ("delete", "versions/1", None),
        ("delete", "", None),
    ):
        answer = send(reader, method, f"{dataset.pk}/{path}".rstrip("/"), body)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    copy = send(reader, "post", f"{dataset.pk}/fork").json()
    assert copy["size"] == 2
    assert Dataset.objects.get(pk=copy["id"]).owner == other_student
