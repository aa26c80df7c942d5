"""The operator's pages of datasets: what they show, and what nobody changes there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from accounts.models import User
from datasets_app.models import Contribution, Dataset, DatasetEvent, DatasetImport, HubRepository
from datasets_app.tests.classroom import (
    cohort_audience,
    make_class_dataset,
    make_cohort,
    make_person,
    offer,
    share,
)
from datasets_app.tests.factories import make_dataset

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


@pytest.fixture
def board(db: None, client_of: SignIn) -> Client:
    return client_of(make_person("owner", is_staff=True, is_superuser=True))


def address(model: type[Model], page: str, *arguments: object) -> str:
    return reverse(f"admin:datasets_app_{model._meta.model_name}_{page}", args=arguments)


@pytest.fixture
def facts(student: User, instructor: User) -> dict[type[Model], Model]:
    cohort = make_cohort(student=student, instructor=instructor)
    share(make_dataset(instructor, name="Garden"), cohort_audience(cohort))
    row = offer(student, make_class_dataset(instructor, cohort))
    waiting = DatasetImport.objects.create(owner=student, name="Half a file")
    return {
        DatasetEvent: DatasetEvent.objects.filter(dataset_name="Garden").get(),
        Contribution: row,
        DatasetImport: waiting,
    }


@pytest.mark.parametrize("model", [DatasetEvent, Contribution, DatasetImport])
def test_facts_are_shown_and_never_changed(
    model: type[Model], board: Client, facts: dict[type[Model], Model]
) -> None:
    fact = facts[model]
    assert board.get(address(model, "changelist")).status_code == 200
    page = board.get(address(model, "change", fact.pk)).content.decode()
    assert 'name="_save"' not in page
    assert "deletelink" not in page
    assert board.get(address(model, "add")).status_code == 403
    assert board.post(address(model, "change", fact.pk), {"name": "x"}).status_code == 403
    assert board.post(address(model, "delete", fact.pk), {"post": "yes"}).status_code == 403
    sent = {"action": "delete_selected", "_selected_action": [str(fact.pk)], "post": "yes"}
    board.post(address(model, "changelist"), sent)
    assert model._default_manager.filter(pk=fact.pk).exists()


@pytest.mark.parametrize("search", ["Garden", "chiyo"])
def test_events_are_found_by_dataset_and_person(
    search: str, board: Client, facts: dict[type[Model], Model]
) -> None:
    page = board.get(address(DatasetEvent, "changelist"), {"q": search}).content.decode()
    assert "Garden" in page
    assert (
        "Garden"
        not in board.get(address(DatasetEvent, "changelist"), {"action": "deleted"})
        .content.decode()
        .split('id="changelist-form"')[-1]
    )


def test_events_are_found_by_the_dataset_of_the_address(
    board: Client, facts: dict[type[Model], Model]
) -> None:
    event = facts[DatasetEvent]
    assert isinstance(event, DatasetEvent)
    page = board.get(address(DatasetEvent, "changelist"), {"q": str(event.dataset_id)})
    assert page.context["cl"].result_count == 1


def test_a_person_can_be_deleted_with_their_rows(
    board: Client, student: User, facts: dict[type[Model], Model]
) -> None:
    page = reverse("admin:accounts_user_delete", args=[student.pk])
    assert board.post(page, {"post": "yes"}).status_code == 302
    assert not Contribution.objects.exists()


def test_datasets_show_who_may_see_them(board: Client, facts: dict[type[Model], Model]) -> None:
    page = board.get(address(Dataset, "changelist")).content.decode()
    assert "Class 2B" in page
    dataset = Dataset.objects.get(name="Garden")
    page = board.get(address(Dataset, "change", dataset.pk)).content.decode()
    assert "A cohort" in page
    assert "Class 2B" in page


@pytest.mark.parametrize(
    "repository",
    [
        "squad",
        "a/b/c",
        "/b",
        "a/",
        "a b/c",
        "a/b c",
        "a/\tb",
        "https://huggingface.co/datasets/a/b",
        "../b",
        "a/..",
        "あ/b",
    ],
)
def test_a_repository_is_owner_and_name(repository: str, board: Client) -> None:
    page = board.post(address(HubRepository, "add"), {"repository": repository})
    assert "Write it as on the Hub" in page.content.decode()
    assert not HubRepository.objects.exists()


def test_instructors_look_after_the_allowed_repositories(
    instructor: User, student: User, client_of: SignIn
) -> None:
    sent = {"repository": " databricks/databricks-dolly-15k ", "revision": "main", "note": ""}
    assert client_of(student).post(address(HubRepository, "add"), sent).status_code == 302
    assert not HubRepository.objects.exists()
    client = client_of(instructor)
    assert client.post(address(HubRepository, "add"), sent | {"revision": "a b"}).status_code == 200
    assert client.post(address(HubRepository, "add"), sent).status_code == 302
    repository = HubRepository.objects.get()
    assert repository.repository == "databricks/databricks-dolly-15k"
    assert client.post(address(HubRepository, "add"), sent).status_code == 200
    delete = address(HubRepository, "delete", repository.pk)
    assert client.post(delete, {"post": "yes"}).status_code == 302
    assert not HubRepository.objects.exists()


def test_an_instructor_without_the_right_reads_no_audit(
    instructor: User, client_of: SignIn
) -> None:
    assert client_of(instructor).get(address(DatasetEvent, "changelist")).status_code == 403
