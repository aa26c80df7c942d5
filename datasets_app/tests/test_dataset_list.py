"""The list: its parts, the search, whose datasets they are, and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Cohort, User
from datasets_app.selectors import latest_version
from datasets_app.services.versioning import save_records
from datasets_app.sharing.catalogue import datasets_on
from datasets_app.tests.classroom import (
    cohort_audience,
    course_audience,
    make_class_dataset,
    make_cohort,
    offer,
    share,
)
from datasets_app.tests.factories import INSTRUCTION, make_dataset

pytestmark = pytest.mark.django_db
LIST = reverse("datasets:dataset_list")
SignIn = Callable[[User], Client]
NAMES = {
    "all": ["Our garden", "For all", "For 2B", "Mine"],
    "mine": ["Mine"],
    "shared": ["For all", "For 2B"],
    "class": ["Our garden"],
    "nonsense": ["Our garden", "For all", "For 2B", "Mine"],
}


@pytest.fixture
def cohort(student: User, instructor: User) -> Cohort:
    return make_cohort(student=student, instructor=instructor)


@pytest.fixture
def shelves(student: User, other_student: User, instructor: User, cohort: Cohort) -> None:
    make_dataset(other_student, name="Hidden")
    make_dataset(student, name="Mine")
    share(make_dataset(instructor, name="For 2B"), cohort_audience(cohort))
    share(make_dataset(instructor, name="For all"), course_audience())
    make_class_dataset(instructor, cohort)


def names_on(response: Any) -> list[str]:
    return [dataset.name for dataset in response.context["page"]]


@pytest.mark.parametrize("shelf", NAMES)
def test_parts_of_the_list(shelf: str, shelves: None, student: User, client_of: SignIn) -> None:
    assert names_on(client_of(student).get(LIST, {"show": shelf})) == NAMES[shelf]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("for", ["For all", "For 2B"]),
        ("  2b ", ["For 2B"]),
        ("hidden", []),
        ("%", []),
        ("\x00", ["Our garden", "For all", "For 2B", "Mine"]),
        ("x" * 5000, []),
    ],
)
def test_search_by_name(
    search: str, found: list[str], shelves: None, student: User, client_of: SignIn
) -> None:
    assert names_on(client_of(student).get(LIST, {"q": search})) == found


def test_links_keep_the_search_and_drop_the_page(
    shelves: None, student: User, client_of: SignIn
) -> None:
    page = client_of(student).get(LIST, {"q": "2B", "page": "1"}).content.decode()
    assert 'href="?q=2B&amp;show=mine"' in page
    assert 'aria-current="true">All</a>' in page


def test_visibility_and_owner_are_shown(shelves: None, student: User, client_of: SignIn) -> None:
    page = client_of(student).get(LIST).content.decode()
    assert page.count("by chiyo") == 3
    assert "by aiko" not in page
    assert page.count("Only you") == 1
    assert "Everyone in a course" in page
    assert "Class 2B" in page


def test_use_of_space_is_shown(student: User, client_of: SignIn) -> None:
    make_dataset(student)
    page = client_of(student).get(LIST).content.decode()
    assert "of 4.0\xa0GB used" in page
    assert "<meter" in page


def test_those_who_lead_make_class_datasets_and_see_what_waits(
    shelves: None, student: User, instructor: User, cohort: Cohort, client_of: SignIn
) -> None:
    offer(student, cohort.datasets.get(collects_rows=True))
    new = reverse("datasets:class_dataset_new")
    leader, member = (
        client_of(person).get(LIST).content.decode() for person in (instructor, student)
    )
    assert new in leader
    assert "1 row waits" in leader
    assert new not in member
    assert "1 row waits" not in member
    assert "Rows of the class" in member


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"show": "shared"}, "Nothing is shared with you"),
        ({"show": "class"}, "No class dataset yet"),
        ({"q": "<b>bell"}, "No dataset here has “&lt;b&gt;bell” in its name."),
        ({"show": "mine"}, "No dataset yet"),
    ],
)
def test_an_empty_part_says_why(
    query: dict[str, str], sentence: str, student: User, client_of: SignIn
) -> None:
    assert sentence in client_of(student).get(LIST, query).content.decode()


def test_each_dataset_comes_with_its_newest_version(student: User) -> None:
    for name in ("one", "two"):
        first = latest_version(make_dataset(student, name=name))
        save_records(
            first, [INSTRUCTION, INSTRUCTION | {"output": name}], author=student, change={}
        )
    found = list(datasets_on(student, "all"))
    assert [(dataset.latest.number, dataset.latest.example_count) for dataset in found] == [
        (2, 2),
        (2, 2),
    ]


def test_the_page_costs_the_same_queries_for_many_datasets(
    student: User,
    instructor: User,
    cohort: Cohort,
    client_of: SignIn,
    django_assert_num_queries: Any,
) -> None:
    client = client_of(student)

    def queries() -> int:
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        with CaptureQueriesContext(connection) as captured:
            client.get(LIST)
        return len(captured)

    share(make_dataset(instructor), cohort_audience(cohort))
    make_class_dataset(instructor, cohort)
    make_dataset(student)
    few = queries()
    for number in range(4):
        make_dataset(student, name=f"set {number}")
        share(make_dataset(instructor), cohort_audience(cohort))
    assert queries() == few
    with django_assert_num_queries(2):
        for dataset in datasets_on(student, "all"):
            assert dataset.latest.number
            assert str(dataset.owner)
            assert dataset.cohort is None or dataset.cohort.name
