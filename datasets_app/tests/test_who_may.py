"""Who may see, change, add to and review a dataset, as one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import Client
from django.urls import reverse

from accounts.models import Cohort, Membership, User
from common.errors import ForbiddenError
from datasets_app.models import Contribution, Dataset
from datasets_app.selectors import can_edit, datasets_visible_to
from datasets_app.services.class_rows import accept_rows, add_row, save_accepted_rows
from datasets_app.services.sharing import share_dataset
from datasets_app.sharing.audience import ONLY_OWNER
from datasets_app.sharing.row_rights import row_rights
from datasets_app.tests.classroom import (
    cohort_audience,
    course_audience,
    join,
    make_class_dataset,
    make_cohort,
    make_person,
    offer,
    share,
)
from datasets_app.tests.factories import make_dataset

pytestmark = pytest.mark.django_db

# Rights by person and dataset: s see, e edit, a add rows, r review, w watch the rows of all.
RIGHTS = {
    "owner": {"private": "se", "cohort": "se", "course": "se", "class": "searw"},
    "student": {"private": "", "cohort": "s", "course": "s", "class": "sa"},
    "assistant": {"private": "", "cohort": "s", "course": "s", "class": "searw"},
    "instructor": {"private": "", "cohort": "s", "course": "s", "class": "searw"},
    "observer": {"private": "", "cohort": "s", "course": "s", "class": "sw"},
    "former member": {"private": "", "cohort": "", "course": "s", "class": ""},
    "other cohort": {"private": "", "cohort": "", "course": "s", "class": ""},
    "stranger": {"private": "", "cohort": "", "course": "s", "class": ""},
    "anonymous": {"private": "", "cohort": "", "course": "", "class": ""},
}
CASES = [(who, kind) for who, kinds in RIGHTS.items() for kind in kinds]


@dataclass
class School:
    people: dict[str, Any]
    datasets: dict[str, Dataset]
    cohort: Cohort


@pytest.fixture
def school(db: None) -> School:
    owner = make_person("owner", is_staff=True)
    cohort = make_cohort(instructor=owner)
    people: dict[str, Any] = {"owner": owner, "anonymous": AnonymousUser()}
    for role in Membership.Role.values:
        people[role] = join(cohort, make_person(role), role)
    people["former member"] = join(cohort, make_person("former"))
    Membership.objects.filter(user=people["former member"]).delete()
    # Leading one cohort gives no right in another.
    people["other cohort"] = join(make_cohort("Class 3A"), make_person("other"), "instructor")
    people["stranger"] = make_person("stranger")
    datasets = {
        "private": make_dataset(owner),
        "cohort": share(make_dataset(owner), cohort_audience(cohort)),
        "course": share(make_dataset(owner), course_audience()),
        "class": make_class_dataset(owner, cohort),
    }
    return School(people, datasets, cohort)


def rights_of(user: Any, dataset: Dataset) -> str:
    rows = row_rights(user, dataset)
    rights = {
        "s": datasets_visible_to(user).filter(pk=dataset.pk).exists(),
        "e": can_edit(user, dataset),
        "a": rows.may_add,
        "r": rows.may_review,
        "w": rows.may_watch,
    }
    return "".join(letter for letter, is_given in rights.items() if is_given)


@pytest.mark.parametrize(("who", "kind"), CASES)
def test_rights(who: str, kind: str, school: School) -> None:
    assert rights_of(school.people[who], school.datasets[kind]) == RIGHTS[who][kind]


@pytest.mark.parametrize(("who", "kind"), CASES)
def test_pages_and_services_keep_to_the_rights(
    who: str, kind: str, school: School, client: Client
) -> None:
    """What the table forbids is refused by the addresses too, and the services refuse it on their own."""
    user, dataset, rights = school.people[who], school.datasets[kind], RIGHTS[who][kind]
    row = offer(school.people["student"], school.datasets["class"])
    if who == "anonymous":
        for name in ("dataset_sharing", "class_rows"):
            response = client.get(reverse(f"datasets:{name}", args=[dataset.pk]))
            assert response.status_code == 302
            assert response["Location"].startswith(reverse("account_login"))
        return
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    sharing = reverse("datasets:dataset_sharing", args=[dataset.pk])
    assert client.get(sharing).status_code == (200 if "s" in rights else 404)
    if who != "owner":
        refused = 403 if "s" in rights else 404
        assert client.post(sharing, {"audience": "private"}).status_code == refused
        with pytest.raises(ForbiddenError):
            share_dataset(user, dataset, ONLY_OWNER)
    rows = reverse("datasets:class_rows", args=[dataset.pk])
    is_class_page = kind == "class" and "s" in rights
    assert client.get(rows).status_code == (200 if is_class_page else 404)
    if kind != "class":
        return
    added = client.post(rows, {"question": "Who?", "answer": "Nobody."}).status_code
    assert added == (302 if "a" in rights else 403 if "s" in rights else 404)
    review = reverse("datasets:class_rows_review", args=[dataset.pk])
    reviewed = client.post(review, {"action": "accept", "row": row.pk}).status_code
    assert reviewed == (302 if "r" in rights else 403 if "s" in rights else 404)
    row.refresh_from_db()
    expected = Contribution.State.ACCEPTED if "r" in rights else Contribution.State.WAITING
    assert row.state == expected
    if "a" not in rights:
        with pytest.raises(ForbiddenError):
            add_row(user, dataset, question="Who?", answer="Nobody.")
    if "r" not in rights:
        with pytest.raises(ForbiddenError):
            accept_rows(user, dataset, [row.pk])
        with pytest.raises(ForbiddenError):
            save_accepted_rows(user, dataset)


def test_a_class_dataset_that_is_no_longer_shared_is_its_owners_alone(school: School) -> None:
    dataset = share(school.datasets["class"], ONLY_OWNER)
    for who, user in school.people.items():
        assert rights_of(user, dataset) == ("se" if who == "owner" else "")


def test_somebody_in_two_cohorts_finds_a_dataset_once(school: School) -> None:
    both: User = school.people["student"]
    join(make_cohort("Class 1C"), both, "assistant")
    found = list(datasets_visible_to(both))
    assert len(found) == len(set(found)) == 3
