"""Sharing a dataset: the service, its audit note, and the page for owners and for readers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Cohort, User
from common.errors import ConflictError, ForbiddenError, InvalidInputError
from datasets_app.models import Dataset, DatasetEvent
from datasets_app.quotas import QuotaError
from datasets_app.selectors import datasets_visible_to
from datasets_app.services.sharing import share_dataset
from datasets_app.sharing.audience import ONLY_OWNER, Audience, audience_of
from datasets_app.tests.classroom import (
    cohort_audience,
    course_audience,
    make_class_dataset,
    make_cohort,
    share,
)
from datasets_app.tests.factories import make_dataset

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "HX-Target": "sharing-form"}
SignIn = Callable[[User], Client]


@pytest.fixture
def cohort(student: User, instructor: User) -> Cohort:
    return make_cohort(student=student, instructor=instructor)


def page_of(dataset: Dataset) -> str:
    return reverse("datasets:dataset_sharing", args=[dataset.pk])


def test_sharing_is_noted_with_before_and_after(student: User, cohort: Cohort) -> None:
    dataset = make_dataset(student)
    assert share_dataset(student, dataset, cohort_audience(cohort))
    event = DatasetEvent.objects.get()
    assert (event.actor, event.action, event.dataset_id) == (student, "shared", dataset.pk)
    assert event.dataset_name == "Garden"
    assert event.details == {
        "before": "private",
        "after": f"cohort:{cohort.pk}",
        "after_cohort": "Class 2B",
    }
    assert dataset.visibility == "cohort"
    dataset.refresh_from_db()
    assert audience_of(dataset) == cohort_audience(cohort)


def test_the_same_choice_again_changes_and_notes_nothing(student: User, cohort: Cohort) -> None:
    dataset = make_dataset(student)
    assert share_dataset(student, dataset, cohort_audience(cohort))
    assert not share_dataset(student, dataset, cohort_audience(cohort))
    # A page that was loaded before holds an old row.
    stale = Dataset(pk=dataset.pk, owner=student)
    assert not share_dataset(student, stale, cohort_audience(cohort))
    assert DatasetEvent.objects.count() == 1


def test_unsharing_leaves_the_owner_alone(student: User, instructor: User, cohort: Cohort) -> None:
    dataset = share(make_dataset(student), cohort_audience(cohort))
    assert datasets_visible_to(instructor).exists()
    share_dataset(student, dataset, ONLY_OWNER)
    assert not datasets_visible_to(instructor).exists()
    dataset.refresh_from_db()
    assert dataset.cohort is None


@pytest.mark.parametrize(
    ("audience", "error"),
    [
        (course_audience(), ForbiddenError),
        (Audience(Dataset.Visibility.COHORT), InvalidInputError),
    ],
)
def test_a_student_may_not_choose_everything(
    audience: Audience, error: type[Exception], student: User
) -> None:
    dataset = make_dataset(student)
    with pytest.raises(error):
        share_dataset(student, dataset, audience)
    assert not DatasetEvent.objects.exists()


def test_only_with_a_cohort_of_ones_own(student: User) -> None:
    dataset = make_dataset(student)
    with pytest.raises(ForbiddenError, match="You are not in the cohort “Class 3A”"):
        share_dataset(student, dataset, cohort_audience(make_cohort("Class 3A")))
    dataset.refresh_from_db()
    assert dataset.visibility == "private"


def test_an_unknown_course_is_refused(instructor: User) -> None:
    with pytest.raises(InvalidInputError):
        share_dataset(instructor, make_dataset(instructor), course_audience("level-9"))


def test_a_class_dataset_stays_with_its_cohort(instructor: User, cohort: Cohort) -> None:
    dataset = make_class_dataset(instructor, cohort)
    other = make_cohort("Class 3A", instructor=instructor)
    for audience in (cohort_audience(other), course_audience()):
        with pytest.raises(ConflictError):
            share_dataset(instructor, dataset, audience)
    share_dataset(instructor, dataset, ONLY_OWNER)
    with pytest.raises(ConflictError):
        share_dataset(instructor, dataset, cohort_audience(other))
    assert share_dataset(instructor, dataset, cohort_audience(cohort))


def test_a_full_cohort_takes_no_more(student: User, cohort: Cohort) -> None:
    Cohort.objects.update(dataset_quota_bytes=10)
    cohort.refresh_from_db()
    with pytest.raises(QuotaError) as caught:
        share_dataset(student, make_dataset(student), cohort_audience(cohort))
    assert (caught.value.code, caught.value.status) == ("quota", 413)
    assert "Class 2B take 0\xa0bytes of 10\xa0bytes" in str(caught.value.message)
    assert not DatasetEvent.objects.exists()


def test_the_owner_chooses_among_cohorts_of_their_own(
    student: User, cohort: Cohort, client_of: SignIn
) -> None:
    make_cohort("Class 3A")
    page = client_of(student).get(page_of(make_dataset(student))).content.decode()
    assert "Class 2B" in page
    assert "2 people in this cohort" in page
    assert "Class 3A" not in page
    assert "Level 1" not in page


def test_an_instructor_is_offered_the_courses(instructor: User, client_of: SignIn) -> None:
    dataset = make_dataset(instructor)
    client = client_of(instructor)
    assert "Everyone in the course Level 3" in client.get(page_of(dataset)).content.decode()
    assert client.post(page_of(dataset), {"audience": "course:level-3"}).status_code == 302
    dataset.refresh_from_db()
    assert (dataset.visibility, dataset.course) == ("course", "level-3")


def test_sharing_and_ending_it_are_told(student: User, cohort: Cohort, client_of: SignIn) -> None:
    dataset, client = make_dataset(student), client_of(student)
    shared = client.post(page_of(dataset), {"audience": f"cohort:{cohort.pk}"}, follow=True)
    assert "“Garden” is shared now: Class 2B." in shared.content.decode()
    assert "When sharing ends" in shared.content.decode()
    ended = client.post(page_of(dataset), {"audience": "private"}, follow=True)
    assert "Jobs that already use one of its versions keep it." in ended.content.decode()


@pytest.mark.parametrize("headers", [{}, HTMX])
@pytest.mark.parametrize("audience", ["", "everybody", "course:level-1", "cohort:not-an-id"])
def test_a_choice_that_is_not_offered_is_told(
    audience: str, headers: dict[str, str], student: User, client_of: SignIn
) -> None:
    dataset = make_dataset(student)
    response = client_of(student).post(page_of(dataset), {"audience": audience}, headers=headers)
    page = response.content.decode()
    assert response.status_code == 422
    assert "field__error" in page
    assert ("<html" in page) is not bool(headers)
    assert Dataset.objects.get().visibility == "private"


@pytest.mark.parametrize(("headers", "status"), [({}, 413), (HTMX, 422)])
def test_a_full_cohort_is_told_on_the_page(
    headers: dict[str, str], status: int, student: User, cohort: Cohort, client_of: SignIn
) -> None:
    Cohort.objects.update(dataset_quota_bytes=10)
    response = client_of(student).post(
        page_of(make_dataset(student)), {"audience": f"cohort:{cohort.pk}"}, headers=headers
    )
    assert response.status_code == status
    assert "or ask your instructor for more space" in response.content.decode()


def test_htmx_is_sent_to_the_page_again(student: User, cohort: Cohort, client_of: SignIn) -> None:
    dataset = make_dataset(student)
    response = client_of(student).post(
        page_of(dataset), {"audience": f"cohort:{cohort.pk}"}, headers=HTMX
    )
    assert response["HX-Redirect"] == page_of(dataset)


def test_a_reader_sees_who_shared_it_and_no_form(
    student: User, instructor: User, cohort: Cohort, client_of: SignIn
) -> None:
    dataset = share(make_dataset(instructor), cohort_audience(cohort))
    page = client_of(student).get(page_of(dataset)).content.decode()
    assert "Shared by" in page
    assert str(instructor) in page
    assert "Not: change or delete it" in page
    assert 'name="audience"' not in page


def test_the_owner_who_left_the_cohort_keeps_or_ends_the_sharing(
    student: User, cohort: Cohort, client_of: SignIn
) -> None:
    dataset = share(make_dataset(student), cohort_audience(cohort))
    student.memberships.all().delete()
    client = client_of(student)
    assert "As it is now." in client.get(page_of(dataset)).content.decode()
    assert client.post(page_of(dataset), {"audience": f"cohort:{cohort.pk}"}).status_code == 302
    assert client.post(page_of(dataset), {"audience": "private"}).status_code == 302
    assert "Class 2B" not in client.get(page_of(dataset)).content.decode().split("</header>")[1]


def test_names_are_shown_as_text(student: User, client_of: SignIn) -> None:
    make_cohort("<b>2B</b>", student=student)
    page = client_of(student).get(page_of(make_dataset(student))).content.decode()
    assert "&lt;b&gt;2B" in page
    assert "<b>2B" not in page
