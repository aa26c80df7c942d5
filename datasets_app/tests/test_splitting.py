"""A dataset parted into one to train on and one to measure with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from common.errors import ConflictError, InvalidInputError, NotFoundError
from datasets_app.models import Dataset, DatasetVersion
from datasets_app.selectors import latest_version, read_records
from datasets_app.services import splitting
from datasets_app.services.deleting import delete_version
from datasets_app.services.editing import add_row
from datasets_app.services.splitting import default_names, evaluation_count_of, split_dataset
from datasets_app.tests.classroom import course_audience, share
from datasets_app.tests.factories import CHAT, COMPLETION, INSTRUCTION, make_dataset, stored_files
from datasets_app.versions.changes import change_sentence

pytestmark = pytest.mark.django_db
RECORDS = [
    {"instruction": f"Question {number}?", "output": "word " * number, "note": f"n{number}"}
    for number in range(1, 41)
]
HTMX = {"HX-Request": "true", "HX-Target": "split-form"}


@pytest.fixture
def signed_in(student: User, client_of: Callable[[User], Client]) -> Client:
    return client_of(student)


def all_records(dataset: Dataset) -> list[dict[str, Any]]:
    return read_records(latest_version(dataset), limit=1000)


def form_fields(**changes: Any) -> dict[str, Any]:
    return {
        "amount": "10",
        "unit": "percent",
        "seed": "0",
        "training_name": "Learn",
        "evaluation_name": "Measure",
    } | changes


def split_page(dataset: Dataset) -> str:
    return reverse("datasets:dataset_split", args=[dataset.pk])


def test_both_parts_together_are_the_whole(student: User) -> None:
    dataset = make_dataset(student, records=RECORDS)
    training, evaluation = split_dataset(student, dataset, evaluation_count=8, seed=3)
    assert len(all_records(evaluation)) == 8
    by_text = sorted([*all_records(training), *all_records(evaluation)], key=str)
    assert by_text == sorted(RECORDS, key=str)
    assert (training.name, evaluation.name) == ("Garden (training)", "Garden (evaluation)")
    assert training.owner == evaluation.owner == student
    assert "“Garden”, version 1" in evaluation.description
    assert change_sentence(latest_version(training)) == "Training part of “Garden”, version 1."
    assert latest_version(evaluation).change["seed"] == 3


def test_rows_keep_their_order(student: User) -> None:
    training, evaluation = split_dataset(
        student, make_dataset(student, records=RECORDS), evaluation_count=10
    )
    for part in (training, evaluation):
        records = all_records(part)
        assert records == [record for record in RECORDS if record in records]


def test_the_same_seed_gives_the_same_parts(student: User) -> None:
    dataset = make_dataset(student, records=RECORDS)
    digests = [
        latest_version(split_dataset(student, dataset, evaluation_count=8, seed=seed)[1]).digest
        for seed in (0, 0, 1)
    ]
    assert digests[0] == digests[1] != digests[2]


def test_copies_are_on_one_side(student: User) -> None:
    dataset = make_dataset(student, records=[*RECORDS[:10], *RECORDS[:5], *RECORDS[:5]])
    training, evaluation = split_dataset(student, dataset, evaluation_count=6)
    assert not [record for record in all_records(evaluation) if record in all_records(training)]


@pytest.mark.parametrize(
    "records", [[CHAT, CHAT | {"topic": "x"}], [COMPLETION, {"text": "plain"}]]
)
def test_every_shape_is_split(records: list[dict[str, Any]], student: User) -> None:
    dataset = make_dataset(student, records=records)
    training, evaluation = split_dataset(student, dataset, evaluation_count=1)
    assert sorted([*all_records(training), *all_records(evaluation)], key=str) == sorted(
        records, key=str
    )
    assert training.type == evaluation.type == dataset.type


def test_copies_of_one_example_are_not_split(student: User) -> None:
    dataset = make_dataset(student, records=[INSTRUCTION] * 5)
    with pytest.raises(ConflictError, match="two different examples"):
        split_dataset(student, dataset, evaluation_count=2)
    assert Dataset.objects.count() == 1


@pytest.mark.parametrize("count", [-1, 0, 40, 41])
def test_a_part_without_examples_is_refused(count: int, student: User) -> None:
    dataset = make_dataset(student, records=RECORDS)
    with pytest.raises(InvalidInputError, match="between 1 and 39"):
        split_dataset(student, dataset, evaluation_count=count)


def test_one_part_is_never_left_alone(student: User) -> None:
    dataset = make_dataset(student, records=RECORDS)
    before = stored_files()
    with pytest.raises(InvalidInputError):
        split_dataset(
            student, dataset, evaluation_count=8, training_name="Learn", evaluation_name="bell\x07"
        )
    assert stored_files() == before
    assert Dataset.objects.count() == 1


def test_a_shared_dataset_is_split_into_ones_own(student: User, instructor: User) -> None:
    shared = share(make_dataset(instructor, records=RECORDS), course_audience())
    training, evaluation = split_dataset(student, shared, evaluation_count=4)
    assert {training.owner, evaluation.owner} == {student}
    assert {training.visibility, evaluation.visibility} == {"private"}


def test_another_persons_dataset_is_not_found(student: User, other_student: User) -> None:
    with pytest.raises(NotFoundError):
        split_dataset(student, make_dataset(other_student, records=RECORDS), evaluation_count=4)


def test_percent_leave_something_on_both_sides(student: User) -> None:
    version = latest_version(make_dataset(student, records=RECORDS[:5]))
    assert [evaluation_count_of(version, percent) for percent in (1, 20, 50, 99)] == [1, 1, 2, 4]


def test_long_names_are_cut_to_fit(student: User) -> None:
    dataset = make_dataset(student, name="x" * 120)
    assert max(len(name) for name in default_names(dataset)) <= 120


def test_the_form_makes_two_datasets(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student, records=RECORDS)
    shown = signed_in.get(split_page(dataset))
    assert shown.context["form"]["evaluation_name"].value() == "Garden (evaluation)"
    response = signed_in.post(split_page(dataset), form_fields(), follow=True)
    training, evaluation = Dataset.objects.get(name="Learn"), Dataset.objects.get(name="Measure")
    assert response.redirect_chain[0][0] == reverse("datasets:dataset_detail", args=[training.pk])
    assert "“Learn” has 36 examples and “Measure” has 4." in response.content.decode()
    assert latest_version(evaluation).example_count == 4


@pytest.mark.parametrize(
    ("changes", "count"),
    [({"amount": "7", "unit": "count"}, 7), ({"amount": "２５"}, 10), ({"seed": "９"}, 4)],
)
def test_sizes_are_percent_or_examples(
    changes: dict[str, str], count: int, signed_in: Client, student: User
) -> None:
    dataset = make_dataset(student, records=RECORDS)
    assert signed_in.post(split_page(dataset), form_fields(**changes)).status_code == 302
    assert latest_version(Dataset.objects.get(name="Measure")).example_count == count


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount": "100"}, "amount"),
        ({"amount": "0"}, "amount"),
        ({"amount": "40", "unit": "count"}, "amount"),
        ({"amount": ""}, "amount"),
        ({"unit": "rows"}, "unit"),
        ({"seed": "-1"}, "seed"),
        ({"seed": str(2**32)}, "seed"),
        ({"training_name": ""}, "training_name"),
        ({"evaluation_name": "x" * 121}, "evaluation_name"),
    ],
)
def test_bad_input_is_told_at_its_field(
    changes: dict[str, str], field: str, signed_in: Client, student: User
) -> None:
    dataset = make_dataset(student, records=RECORDS)
    page = signed_in.post(split_page(dataset), form_fields(**changes))
    assert page.status_code == 422
    assert list(page.context["form"].errors) == [field]
    fragment = signed_in.post(split_page(dataset), form_fields(**changes), headers=HTMX)
    assert fragment.status_code == 422
    assert fragment.content.decode().lstrip().startswith("<form")
    assert Dataset.objects.count() == 1


def test_a_refusal_is_told_above_the_form(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student, records=[INSTRUCTION] * 5)
    page = signed_in.post(split_page(dataset), form_fields(amount="40"))
    assert page.status_code == 409
    assert "two different examples" in page.content.decode()
    assert signed_in.post(split_page(dataset), form_fields(), headers=HTMX).status_code == 422


def test_a_record_keeps_what_it_brings_along_and_is_not_read_in_another_way(student: User) -> None:
    records = [record | {"context": "a note"} for record in RECORDS[:6]]
    dataset = make_dataset(student, records=records)
    training, evaluation = splitting.split_dataset(student, dataset, evaluation_count=2)
    kept = [
        record
        for part in (training, evaluation)
        for record in read_records(latest_version(part), limit=9)
    ]
    assert sorted(map(str, kept)) == sorted(map(str, records))


def test_a_deleted_version_does_not_give_its_number_away(student: User) -> None:
    dataset = make_dataset(student, records=RECORDS[:3])
    add_row(student, dataset, RECORDS[3], 1)
    delete_version(student, dataset, 2)
    assert add_row(student, dataset, RECORDS[4], 1).number == 3


def test_a_very_large_dataset_is_refused_before_anything_is_read(
    signed_in: Client, student: User
) -> None:
    dataset = make_dataset(student, records=RECORDS[:3])
    for change in ({"size_bytes": 2**30}, {"example_count": 10**6, "size_bytes": 10}):
        DatasetVersion.objects.update(**change)
        page = signed_in.post(split_page(dataset), form_fields())
        assert page.status_code == 413
        assert "upload both parts" in page.content.decode()
