"""The versions of a dataset: listed, compared, restored, deleted; and copies for other people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse

from accounts.models import User
from common.errors import ConflictError, ForbiddenError, NotFoundError, UnavailableError
from datasets_app import quotas
from datasets_app.models import Dataset, DatasetEvent, DatasetVersion
from datasets_app.selectors import get_dataset, latest_version, read_records
from datasets_app.services.deleting import delete_dataset, delete_version
from datasets_app.services.editing import add_row, change_row, delete_row
from datasets_app.services.forking import fork_dataset
from datasets_app.services.restoring import restore_version
from datasets_app.tests.classroom import (
    cohort_audience,
    course_audience,
    make_class_dataset,
    make_cohort,
    share,
)
from datasets_app.tests.factories import CHAT, INSTRUCTION, make_dataset, stored_files, upload
from datasets_app.versions.changes import change_sentence
from training.tests.factories import make_training_job

pytestmark = pytest.mark.django_db
THREE = [INSTRUCTION | {"output": f"Answer {number}."} for number in (1, 2, 3)]


@pytest.fixture
def signed_in(student: User, client_of: Callable[[User], Client]) -> Client:
    return client_of(student)


@pytest.fixture
def dataset(student: User) -> Dataset:
    """Three versions: as made, with a fourth example, without the first."""
    dataset = make_dataset(student, records=THREE)
    add_row(student, dataset, INSTRUCTION, 1)
    delete_row(student, dataset, 1, 2)
    return Dataset.objects.get(pk=dataset.pk)


@pytest.fixture
def shared(instructor: User) -> Dataset:
    shared = share(make_dataset(instructor, records=THREE), course_audience())
    delete_row(instructor, shared, 3, 1)
    return Dataset.objects.get(pk=shared.pk)


def address(name: str, dataset: Dataset, *numbers: int) -> str:
    return reverse(f"datasets:{name}", args=[dataset.pk, *numbers])


def numbers(dataset: Dataset) -> list[int]:
    return list(dataset.versions.order_by("number").values_list("number", flat=True))


# --- the list -------------------------------------------------------------------------------------


def test_versions_are_listed_with_what_was_done(signed_in: Client, dataset: Dataset) -> None:
    response = signed_in.get(address("dataset_versions", dataset))
    page = response.content.decode()
    assert [item.version.number for item in response.context["versions"]] == [3, 2, 1]
    assert "Example 4 was added." in page
    assert "Example 1 was deleted." in page
    assert latest_version(dataset).digest[:12] in page
    assert f"{address('dataset_detail', dataset)}?version=1" in page
    assert address("dataset_diff", dataset, 2, 3) in page
    assert address("dataset_restore", dataset, 1) in page
    assert address("version_delete", dataset, 3) in page
    assert f"{reverse('datasets:dataset_new')}?target={dataset.pk}" in page
    assert "format=csv&amp;version=2" in page


def test_readers_see_versions_and_change_none(signed_in: Client, shared: Dataset) -> None:
    page = signed_in.get(address("dataset_versions", shared)).content.decode()
    assert "Example 3 was deleted." in page
    assert address("dataset_restore", shared, 1) not in page
    assert address("version_delete", shared, 1) not in page
    assert signed_in.post(address("dataset_restore", shared, 1), {"base": 2}).status_code == 403
    assert signed_in.get(address("version_delete", shared, 1)).status_code == 403
    assert signed_in.post(address("version_delete", shared, 1)).status_code == 403
    assert numbers(shared) == [1, 2]


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("dataset_versions", ()),
        ("dataset_diff", (1, 1)),
        ("version_delete", (1,)),
        ("dataset_split", ()),
    ],
)
def test_strangers_and_signed_out_people(
    name: str, places: tuple[int, ...], signed_in: Client, client: Client, other_student: User
) -> None:
    private = address(name, make_dataset(other_student), *places)
    assert signed_in.get(private).status_code == 404
    assert client.get(private)["Location"].startswith(reverse("account_login"))


@pytest.mark.parametrize(("name", "places"), [("dataset_restore", (1,)), ("dataset_fork", ())])
def test_changes_are_posts(
    name: str, places: tuple[int, ...], signed_in: Client, client: Client, other_student: User
) -> None:
    private = address(name, make_dataset(other_student), *places)
    assert signed_in.get(private).status_code == 405
    assert signed_in.post(private).status_code == 404
    assert client.post(private)["Location"].startswith(reverse("account_login"))


def test_two_versions_are_chosen_to_be_compared(signed_in: Client, dataset: Dataset) -> None:
    chosen = address("dataset_versions", dataset)
    response = signed_in.get(f"{chosen}?from=1&to=3")
    assert response["Location"] == address("dataset_diff", dataset, 1, 3)
    for bad in ("?from=1&to=9", "?from=x&to=1", "?from=&to=1", f"?from={10**30}&to=1"):
        assert signed_in.get(chosen + bad).status_code == 404


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"code": "row_changed", "row": 7}, "Example 7 was changed."),
        ({"code": "restored", "number": 2}, "Version 2 was restored."),
        (
            {"code": "forked", "name": "Bees", "owner": "Ben", "number": 4},
            "Copied from “Bees” of Ben, version 4.",
        ),
        ({"code": "class_rows", "count": 2}, "2 rows of the class were added."),
        ({"code": "forked"}, "Copied from “…” of …, version …."),
        ({"code": "from the future"}, "Saved."),
    ],
)
def test_every_change_has_a_sentence(change: dict[str, Any], sentence: str) -> None:
    assert change_sentence(DatasetVersion(number=2, change=change)) == sentence


def test_a_first_version_names_its_file(student: User) -> None:
    assert change_sentence(latest_version(make_dataset(student))) == "First version."
    uploaded = upload(student, b'{"text": "words"}\n', "garden.jsonl")
    assert change_sentence(latest_version(uploaded)) == "Uploaded from “garden.jsonl”."


# --- reading an old version -----------------------------------------------------------------------


def test_an_old_version_is_shown_as_it_was(signed_in: Client, dataset: Dataset) -> None:
    response = signed_in.get(f"{address('dataset_detail', dataset)}?version=1")
    page = response.content.decode()
    assert response.context["page"].paginator.count == 3
    assert "Answer 1." in page
    assert "The newest one is version 3." in page
    assert address("dataset_restore", dataset, 1) in page
    assert address("example_edit", dataset, 1) not in page
    for bad in ("0", "9", "x", "-1", "1.0", "١", "9" * 40):
        refused = signed_in.get(address("dataset_detail", dataset), {"version": bad})
        assert refused.status_code == 404


def test_saved_tells_only_of_the_newest_change(signed_in: Client, dataset: Dataset) -> None:
    detail = address("dataset_detail", dataset)
    assert "Undo" in signed_in.get(f"{detail}?saved=3").content.decode()
    for other in ("", "?saved=2", "?saved=x"):
        assert "Undo" not in signed_in.get(detail + other).content.decode()


# --- comparing ------------------------------------------------------------------------------------


def test_the_difference_is_shown_side_by_side(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student, records=THREE)
    change_row(student, dataset, 2, THREE[1] | {"output": "Answer twenty."}, 1)
    add_row(student, dataset, {"instruction": "<b>New?</b>", "output": "Brand new."}, 2)
    response = signed_in.get(address("dataset_diff", dataset, 1, 3))
    page = response.content.decode()
    comparison = response.context["comparison"]
    assert (comparison.added, comparison.removed, comparison.changed) == (1, 0, 1)
    assert comparison.unchanged == 2
    assert "Answer <del>2</del>." in page
    assert "Answer <ins>twenty</ins>." in page
    assert "Brand new." in page
    assert "<b>New" not in page


def test_chats_are_compared_turn_by_turn(signed_in: Client, student: User) -> None:
    dataset = make_dataset(student, records=[CHAT, CHAT])
    longer = {"messages": [*CHAT["messages"], {"role": "user", "content": "Thank you."}]}
    change_row(student, dataset, 1, longer, 1)
    (row,) = signed_in.get(address("dataset_diff", dataset, 1, 2)).context["differences"]
    assert [(pair.old is None, pair.new is None) for pair in row.pairs] == [
        (False, False),
        (False, False),
        (True, False),
    ]


def test_versions_with_the_same_examples_have_no_difference(
    signed_in: Client, student: User, dataset: Dataset
) -> None:
    restore_version(student, dataset, 1, 3)
    for pair in ((1, 4), (2, 2)):
        page = signed_in.get(address("dataset_diff", dataset, *pair)).content.decode()
        assert "Both versions hold the same examples." in page
    assert signed_in.get(address("dataset_diff", dataset, 1, 9)).status_code == 404


def test_a_lost_file_is_told_on_the_comparison(signed_in: Client, dataset: Dataset) -> None:
    default_storage.delete(dataset.versions.get(number=2).file)
    response = signed_in.get(address("dataset_diff", dataset, 2, 3))
    assert response.status_code == 200
    assert "missing on the server" in response.content.decode()


# --- deleting -------------------------------------------------------------------------------------


def test_a_version_goes_with_its_file(
    student: User, dataset: Dataset, django_capture_on_commit_callbacks: Any
) -> None:
    file = dataset.versions.get(number=2).file
    with django_capture_on_commit_callbacks(execute=True):
        delete_version(student, dataset, 2)
    assert numbers(dataset) == [1, 3]
    assert not default_storage.exists(file)
    event = DatasetEvent.objects.get(action=DatasetEvent.Action.VERSION_DELETED)
    assert (event.actor, event.dataset_id, event.details["version"]) == (student, dataset.pk, 2)


def test_a_shared_file_stays_until_its_last_version_goes(
    student: User, dataset: Dataset, django_capture_on_commit_callbacks: Any
) -> None:
    restored = restore_version(student, dataset, 1, 3)
    with django_capture_on_commit_callbacks(execute=True):
        delete_version(student, dataset, 1)
    assert read_records(restored, limit=9) == THREE
    with django_capture_on_commit_callbacks(execute=True):
        delete_version(student, dataset, 4)
    assert not default_storage.exists(restored.file)


def test_the_newest_version_may_go(student: User, dataset: Dataset) -> None:
    delete_version(student, dataset, 3)
    assert latest_version(get_dataset(student, dataset.pk)).number == 2


@pytest.mark.parametrize("field", ["dataset_version", "eval_dataset_version"])
def test_a_version_of_a_training_job_is_kept(
    field: str,
    student: User,
    signed_in: Client,
    dataset: Dataset,
    django_capture_on_commit_callbacks: Any,
) -> None:
    version = dataset.versions.get(number=1)
    make_training_job(student, **{field: version})
    with django_capture_on_commit_callbacks(execute=True):
        response = signed_in.post(address("version_delete", dataset, 1), follow=True)
    assert "A training job uses version 1" in response.content.decode()
    assert numbers(dataset) == [1, 2, 3]
    assert default_storage.exists(version.file)
    assert not DatasetEvent.objects.exists()


def test_the_only_version_is_kept(student: User) -> None:
    with pytest.raises(ConflictError, match="only version"):
        delete_version(student, make_dataset(student), 1)


def test_deleting_a_version_asks_first(signed_in: Client, dataset: Dataset) -> None:
    delete = address("version_delete", dataset, 2)
    assert "Delete version 2 of “Garden”?" in signed_in.get(delete).content.decode()
    assert numbers(dataset) == [1, 2, 3]
    assert signed_in.post(delete)["Location"] == address("dataset_versions", dataset)
    assert numbers(dataset) == [1, 3]
    assert signed_in.post(delete).status_code == 404


def test_readers_delete_no_version(student: User, shared: Dataset) -> None:
    with pytest.raises(ForbiddenError):
        delete_version(student, shared, 1)


def test_deleting_a_dataset_is_written_down(
    student: User, dataset: Dataset, signed_in: Client
) -> None:
    signed_in.post(address("dataset_delete", dataset))
    event = DatasetEvent.objects.get()
    assert (event.action, event.actor) == (DatasetEvent.Action.DELETED, student)
    assert (event.dataset_id, event.dataset_name) == (dataset.pk, "Garden")
    assert event.details == {"owner": "aiko", "versions": 3}


def test_a_refused_deletion_is_not_written_down(student: User, dataset: Dataset) -> None:
    make_training_job(student, dataset_version=latest_version(dataset))
    with pytest.raises(ConflictError):
        delete_dataset(dataset, actor=student)
    assert not DatasetEvent.objects.exists()


def test_only_the_owner_deletes_a_dataset(
    signed_in: Client, shared: Dataset, student: User, other_student: User
) -> None:
    assert signed_in.get(address("dataset_delete", shared)).status_code == 403
    assert signed_in.post(address("dataset_delete", shared)).status_code == 403
    # Who leads the cohort changes a class dataset, but it belongs to another person.
    class_dataset = make_class_dataset(
        other_student, make_cohort(instructor=other_student, assistant=student)
    )
    assert signed_in.post(address("dataset_delete", class_dataset)).status_code == 403
    assert Dataset.objects.count() == 2


def test_leaders_of_a_cohort_change_its_class_dataset(
    student: User, other_student: User, signed_in: Client
) -> None:
    dataset = make_class_dataset(
        other_student, make_cohort(instructor=other_student, assistant=student)
    )
    assert signed_in.get(address("example_edit", dataset, 1)).status_code == 200
    assert add_row(student, dataset, INSTRUCTION | {"output": "Another."}, 1).created_by == student


# --- copies ---------------------------------------------------------------------------------------


def test_a_copy_is_private_and_independent(
    student: User, shared: Dataset, signed_in: Client
) -> None:
    response = signed_in.post(address("dataset_fork", shared))
    copy = Dataset.objects.get(owner=student)
    source = latest_version(shared)
    version = latest_version(copy)
    assert response["Location"] == address("dataset_detail", copy)
    assert (copy.name, copy.visibility, copy.type) == ("Garden (copy)", "private", shared.type)
    assert copy.forked_from == source
    assert (version.number, version.digest, version.example_count) == (1, source.digest, 2)
    assert version.change == {"code": "forked", "name": "Garden", "owner": "chiyo", "number": 2}
    assert version.file != source.file
    change_row(student, copy, 1, INSTRUCTION, 1)
    assert read_records(source, limit=9) == THREE[:2]


def test_a_copy_outlives_the_original(
    student: User, shared: Dataset, django_capture_on_commit_callbacks: Any
) -> None:
    copy = fork_dataset(student, shared)
    with django_capture_on_commit_callbacks(execute=True):
        delete_dataset(shared)
    assert read_records(latest_version(copy), limit=9) == THREE[:2]
    copy.refresh_from_db()
    assert copy.forked_from is None


def test_what_is_not_shared_is_not_copied(student: User, other_student: User) -> None:
    with pytest.raises(NotFoundError):
        fork_dataset(student, make_dataset(other_student))


def test_a_copy_needs_room(student: User, shared: Dataset, settings: Any) -> None:
    settings.USER_DATASET_BYTES = 10
    before = stored_files()
    with pytest.raises(quotas.QuotaError):
        fork_dataset(student, shared)
    assert stored_files() == before


def test_a_copy_of_a_lost_file_leaves_nothing(student: User, shared: Dataset) -> None:
    default_storage.delete(latest_version(shared).file)
    before = stored_files()
    with pytest.raises(UnavailableError):
        fork_dataset(student, shared)
    assert stored_files() == before
    assert not Dataset.objects.filter(owner=student).exists()


def test_a_cohort_member_copies_a_shared_dataset(student: User, instructor: User) -> None:
    cohort = make_cohort(instructor=instructor, student=student)
    shared = share(make_dataset(instructor, name="x" * 120), cohort_audience(cohort))
    assert len(fork_dataset(student, shared).name) == 120
