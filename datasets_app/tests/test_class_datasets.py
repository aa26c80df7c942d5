"""Making a class dataset: who may, how it starts, and that a double click makes one."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Cohort, User
from common.errors import ForbiddenError
from datasets_app.models import Dataset, DatasetEvent
from datasets_app.selectors import latest_version, read_records
from datasets_app.services.class_datasets import create_class_dataset
from datasets_app.tests.classroom import make_cohort
from datasets_app.tests.factories import CHAT, INSTRUCTION, json_lines

pytestmark = pytest.mark.django_db
NEW = reverse("datasets:class_dataset_new")
HTMX = {"HX-Request": "true", "HX-Target": "class-dataset-form"}
SignIn = Callable[[User], Client]


@pytest.fixture
def cohort(student: User, other_student: User) -> Cohort:
    """Led by an assistant who is no instructor of the installation."""
    return make_cohort(student=student, assistant=other_student)


@pytest.fixture
def leader(other_student: User, cohort: Cohort, client_of: SignIn) -> Client:
    return client_of(other_student)


def fields(cohort: Cohort, /, **values: str) -> dict[str, str]:
    return {
        "key": str(uuid.uuid4()),
        "name": "Our garden",
        "description": "",
        "cohort": str(cohort.pk),
        "type": "instruction",
        "question": "Who waters it?",
        "answer": "We do.",
        "rows": "",
    } | values


def test_it_is_shared_with_its_cohort_and_collects_rows(
    leader: Client, cohort: Cohort, other_student: User
) -> None:
    response = leader.post(NEW, fields(cohort), follow=True)
    dataset = Dataset.objects.get()
    assert response.redirect_chain == [(reverse("datasets:class_rows", args=[dataset.pk]), 302)]
    assert (dataset.owner, dataset.cohort, dataset.visibility) == (other_student, cohort, "cohort")
    assert dataset.collects_rows
    assert read_records(latest_version(dataset), limit=5) == [
        {"instruction": "Who waters it?", "output": "We do."}
    ]
    assert DatasetEvent.objects.get().details["after"] == f"cohort:{cohort.pk}"


@pytest.mark.parametrize(
    ("kind", "record"),
    [
        (
            "chat",
            {
                "messages": [
                    {"role": "user", "content": "Q"},
                    {"role": "assistant", "content": " A"},
                ]
            },
        ),
        ("completion", {"prompt": "Q", "completion": " A"}),
    ],
)
def test_first_row_takes_the_shape_of_the_type(
    kind: str, record: dict, leader: Client, cohort: Cohort
) -> None:
    leader.post(NEW, fields(cohort, type=kind, question="Q", answer=" A"))
    (stored,) = read_records(latest_version(Dataset.objects.get()), limit=5)
    if kind == "chat":
        record["messages"][1]["content"] = "A"
    assert stored == record


def test_pasted_and_typed_rows_come_together(leader: Client, cohort: Cohort) -> None:
    rows = json_lines(INSTRUCTION, INSTRUCTION | {"output": "Nobody."}).decode()
    leader.post(NEW, fields(cohort, rows=rows))
    records = read_records(latest_version(Dataset.objects.get()), limit=5)
    assert [record["output"] for record in records] == [INSTRUCTION["output"], "Nobody.", "We do."]


@pytest.mark.parametrize("headers", [{}, HTMX])
@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"question": "", "answer": ""}, "A dataset needs at least one example."),
        ({"answer": " "}, "This is empty. Write a text."),
        ({"question": ""}, "This is empty. Write a text."),
        ({"type": ""}, "This field is required."),
        ({"type": "poem"}, "Select a valid choice."),
        ({"cohort": str(uuid.uuid4())}, "Select a valid choice."),
        ({"cohort": "x"}, "is not a valid"),
        ({"name": ""}, "This field is required."),
        ({"name": "a\u200bb"}, "characters that can not be seen"),
        ({"rows": "x" * 500_001}, "at most 500000 characters"),
    ],
)
def test_bad_input_is_told_and_nothing_is_saved(
    values: dict[str, str],
    sentence: str,
    headers: dict[str, str],
    leader: Client,
    cohort: Cohort,
) -> None:
    response = leader.post(NEW, fields(cohort, **values), headers=headers)
    page = response.content.decode()
    assert response.status_code == 422
    assert sentence in page
    assert ("<html" in page) is not bool(headers)
    assert not Dataset.objects.exists()


def test_a_bad_pasted_row_is_told_with_its_line(leader: Client, cohort: Cohort) -> None:
    rows = json_lines(INSTRUCTION, {"instruction": "Why?"}).decode()
    response = leader.post(NEW, fields(cohort, rows=rows, question="", answer=""))
    assert response.status_code == 422
    assert "“output”" in response.content.decode()
    assert response.context["form"]["rows"].value() == rows
    assert not Dataset.objects.exists()


def test_rows_of_another_type_are_refused(leader: Client, cohort: Cohort) -> None:
    rows = json_lines(CHAT).decode()
    assert leader.post(NEW, fields(cohort, rows=rows)).status_code == 422
    assert not Dataset.objects.exists()


def test_the_same_form_sent_twice_makes_one_dataset(leader: Client, cohort: Cohort) -> None:
    sent = fields(cohort)
    first, second = leader.post(NEW, sent), leader.post(NEW, sent)
    assert first["Location"] == second["Location"]
    assert Dataset.objects.count() == DatasetEvent.objects.count() == 1


def test_only_cohorts_that_one_leads_are_offered(
    leader: Client, cohort: Cohort, other_student: User
) -> None:
    other = make_cohort("Class 3A", student=other_student)
    page = leader.get(NEW).content.decode()
    assert "Class 2B" in page
    assert "Class 3A" not in page
    assert leader.post(NEW, fields(other)).status_code == 422


def test_members_and_strangers_make_none(
    student: User, instructor: User, cohort: Cohort, client_of: SignIn
) -> None:
    for person in (student, instructor):
        client = client_of(person)
        assert client.get(NEW).status_code == 403
        assert client.post(NEW, fields(cohort)).status_code == 403
        with pytest.raises(ForbiddenError):
            create_class_dataset(
                person,
                cohort,
                name="a",
                description="",
                dataset_type="instruction",
                rows=json_lines(INSTRUCTION).decode(),
            )
    assert not Dataset.objects.exists()


def test_signed_out_people_are_sent_to_sign_in(client: Client) -> None:
    assert client.get(NEW)["Location"].startswith(reverse("account_login"))


@pytest.mark.parametrize(("headers", "status"), [({}, 413), (HTMX, 422)])
def test_a_full_cohort_is_told(
    headers: dict[str, str], status: int, leader: Client, cohort: Cohort
) -> None:
    Cohort.objects.update(dataset_quota_bytes=1)
    response = leader.post(NEW, fields(cohort), headers=headers)
    assert response.status_code == status
    assert "The datasets shared with Class 2B" in response.content.decode()
    assert not Dataset.objects.exists()
