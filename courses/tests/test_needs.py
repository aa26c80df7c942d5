"""Who needs somebody now: the reasons, the page, and what a leader does there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, Cohort, Membership, User
from courses.models import CohortCourse, Enrolment, HelpRequest, StepProgress
from courses.selectors.classwork import read_classwork
from courses.selectors.helping import waiting_count
from courses.selectors.needs import Need, Reason, needs_of, waiting_for_device
from courses.services.helping import claim, raise_hand
from courses.tests.live_factories import (
    FAILED_CHECK,
    Role,
    be_at,
    join,
    make_class,
    make_member,
    pass_step,
)
from courses.wording.needs import trouble_sentences
from training.models import TrainingJob
from training.tests.factories import (
    make_completed_job,
    make_failed_job,
    make_running_job,
    make_training_job,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def pinned(tmp_path: Path, instructor: User) -> CohortCourse:
    return make_class(tmp_path, instructor)


@pytest.fixture
def enrolment(pinned: CohortCourse) -> Enrolment:
    return make_member(pinned, "aya")


def needs(pinned: CohortCourse) -> list[Need]:
    pinned.refresh_from_db()
    return needs_of(read_classwork(pinned.cohort, [pinned]))


def reasons(pinned: CohortCourse) -> list[Reason]:
    return [trouble.reason for need in needs(pinned) for trouble in need.troubles]


def address(name: str, pinned: CohortCourse, *args: object) -> str:
    return reverse(f"classroom:{name}", args=[pinned.cohort_id, *args])


# --- reasons ----------------------------------------------------------------------------------------


def test_who_works_needs_nobody(pinned: CohortCourse, enrolment: Enrolment) -> None:
    make_member(pinned, "not-begun-yet")
    be_at(enrolment, "train", minutes=4)
    assert needs(pinned) == []


def test_the_same_check_failed_three_times_in_a_row(
    pinned: CohortCourse, enrolment: Enrolment
) -> None:
    be_at(enrolment, "train", checks=FAILED_CHECK, fails_in_row=2)
    assert reasons(pinned) == []
    be_at(enrolment, "train", checks=FAILED_CHECK, fails_in_row=3)
    ((trouble,),) = [need.troubles for need in needs(pinned)]
    assert trouble.reason == Reason.SAME_CHECK
    failed, read = trouble_sentences(trouble)
    assert failed == "3 tries in a row failed at “A training job is completed”."
    assert "You have no job in this course yet." in read
    assert trouble_sentences(trouble, may_quote=False) == [failed]
    pass_step(enrolment, "train")
    assert reasons(pinned) == []


def test_two_jobs_failed_alike(pinned: CohortCourse, enrolment: Enrolment) -> None:
    be_at(enrolment, "train")
    make_failed_job(enrolment.user)
    assert reasons(pinned) == []
    newest = make_failed_job(enrolment.user)
    ((trouble,),) = [need.troubles for need in needs(pinned)]
    assert trouble.reason == Reason.JOB_FAILED_TWICE
    assert "ran out of memory" in trouble_sentences(trouble)[1]
    TrainingJob.objects.filter(pk=newest.pk).update(error_code="diverged")
    assert reasons(pinned) == []
    TrainingJob.objects.filter(pk=newest.pk).update(error_code="out_of_memory")
    make_training_job(enrolment.user)
    assert reasons(pinned) == []


def test_failed_jobs_are_no_trouble_where_no_job_is_asked_for(
    pinned: CohortCourse, enrolment: Enrolment
) -> None:
    be_at(enrolment, "quiz")
    make_failed_job(enrolment.user)
    make_failed_job(enrolment.user)
    assert reasons(pinned) == []


@pytest.mark.parametrize(("minutes", "is_stuck"), [(7, False), (9, True)])
def test_twice_as_long_as_the_author_meant(
    pinned: CohortCourse, enrolment: Enrolment, minutes: int, is_stuck: bool
) -> None:
    be_at(enrolment, "train", minutes=minutes)
    assert reasons(pinned) == ([Reason.IDLE] if is_stuck else [])


@pytest.mark.parametrize(("minutes", "is_stuck"), [(11, False), (13, True)])
def test_twice_as_long_as_the_class_needed(
    pinned: CohortCourse, enrolment: Enrolment, minutes: int, is_stuck: bool
) -> None:
    for name, seconds in (("bo", 60), ("cy", 360), ("di", 900)):
        pass_step(make_member(pinned, name), "train", active_seconds=seconds)
    be_at(enrolment, "train", minutes=minutes)
    found = [need for need in needs(pinned) if need.work.name == "aya"]
    assert [trouble.reason for need in found for trouble in need.troubles] == (
        [Reason.IDLE] if is_stuck else []
    )
    if is_stuck:
        (sentence,) = trouble_sentences(found[0].troubles[0])
        assert "half of the class needed 6 min or less" in sentence


def test_five_minutes_are_nobodys_trouble(pinned: CohortCourse, enrolment: Enrolment) -> None:
    # The author meant two minutes, so that four would be long.
    be_at(enrolment, "hello", minutes=4.9)
    assert reasons(pinned) == []
    be_at(enrolment, "hello", minutes=5.1)
    assert reasons(pinned) == [Reason.IDLE]


def test_who_has_gone_is_not_idle(pinned: CohortCourse, enrolment: Enrolment) -> None:
    gone = timezone.now() - timedelta(minutes=121)
    be_at(enrolment, "train", minutes=130, last_seen_at=gone)
    assert reasons(pinned) == []


def test_a_step_of_an_earlier_lesson_counts_by_its_active_time(
    pinned: CohortCourse, enrolment: Enrolment
) -> None:
    be_at(enrolment, "train", minutes=24 * 60, active_seconds=120)
    assert reasons(pinned) == []
    be_at(enrolment, "train", minutes=24 * 60, active_seconds=1200)
    assert reasons(pinned) == [Reason.IDLE]


@pytest.mark.parametrize("make_job", [make_training_job, make_running_job])
def test_who_waits_for_a_device_is_never_stuck(
    pinned: CohortCourse, enrolment: Enrolment, make_job: Callable[[User], object]
) -> None:
    be_at(enrolment, "train", minutes=60, checks=FAILED_CHECK, fails_in_row=5)
    make_job(enrolment.user)
    assert reasons(pinned) == []
    courses = read_classwork(pinned.cohort, [pinned])
    assert [work.name for _course, work in waiting_for_device(courses)] == ["aya"]


def test_a_step_that_waits_by_itself_is_no_trouble(
    pinned: CohortCourse, enrolment: Enrolment
) -> None:
    be_at(enrolment, "train", minutes=60, state=StepProgress.State.WAITING)
    assert reasons(pinned) == []
    courses = read_classwork(pinned.cohort, [pinned])
    assert len(waiting_for_device(courses)) == 1


def test_open_hands_come_first_and_claimed_ones_last(
    pinned: CohortCourse, enrolment: Enrolment, instructor: User
) -> None:
    be_at(enrolment, "train", minutes=60)
    late, early, seen = (make_member(pinned, name) for name in ("late", "early", "seen"))
    claim(instructor, raise_hand(seen, "hello"))
    raise_hand(early, "hello")
    raise_hand(late, "hello")
    assert [need.work.name for need in needs(pinned)] == ["early", "late", "aya", "seen"]


def test_a_hand_at_a_step_that_is_done_since_is_not_listed(
    pinned: CohortCourse, enrolment: Enrolment
) -> None:
    raise_hand(enrolment, "hello")
    assert waiting_count(pinned.cohort) == 1
    StepProgress.objects.create(enrolment=enrolment, step_key="hello", state="exempt")
    assert needs(pinned) == []
    assert waiting_count(pinned.cohort) == 0


def test_who_left_the_class_is_not_listed(pinned: CohortCourse, enrolment: Enrolment) -> None:
    raise_hand(enrolment, "hello")
    Membership.objects.filter(user=enrolment.user).delete()
    assert needs(pinned) == []


# --- the page ---------------------------------------------------------------------------------------


def test_the_list_says_who_and_why(
    pinned: CohortCourse,
    enrolment: Enrolment,
    instructor: User,
    client_of: Callable[[User], Client],
) -> None:
    client = client_of(instructor)
    assert "Nobody needs you now" in client.get(address("needs", pinned)).content.decode()
    be_at(enrolment, "train", checks=FAILED_CHECK, fails_in_row=3)
    raise_hand(enrolment, "train", "Which <button>?")
    page = client.get(address("needs", pinned)).content.decode()
    assert "1 student needs you" in page
    assert "Which &lt;button&gt;?" in page
    assert "3 tries in a row" in page
    assert "Open “The step quiz” for all" in page
    assert '<span class="badge badge--warning">1</span>' in page


def test_a_projected_list_names_nobody_and_quotes_nobody(
    pinned: CohortCourse,
    enrolment: Enrolment,
    instructor: User,
    client_of: Callable[[User], Client],
) -> None:
    be_at(enrolment, "train", checks=FAILED_CHECK, fails_in_row=3)
    raise_hand(enrolment, "train", "It is me, Aya.")
    page = client_of(instructor).get(address("needs", pinned) + "?projected=1").content.decode()
    assert "1 student needs you" in page
    assert "aya" not in page.lower()
    assert "The student reads" not in page


def test_a_leader_claims_and_resolves(
    pinned: CohortCourse,
    enrolment: Enrolment,
    instructor: User,
    other_student: User,
    client_of: Callable[[User], Client],
) -> None:
    join(pinned.cohort, other_student, Role.ASSISTANT)
    request = raise_hand(enrolment, "hello")
    first, second = client_of(instructor), client_of(other_student)
    claimed = first.post(address("help_claim", pinned, request.pk) + "?projected=1")
    assert claimed.url == address("needs", pinned) + "?projected=1"
    told = second.post(address("help_claim", pinned, request.pk), follow=True).content.decode()
    assert "chiyo is already on the way" in told
    answer = second.post(
        address("help_resolve", pinned, request.pk), headers={"HX-Request": "true"}
    )
    assert "resolved" in answer.headers["HX-Trigger"]
    assert 'id="needs-list"' in answer.content.decode()
    assert HelpRequest.objects.get().state == "resolved"


def test_a_step_is_opened_for_all(
    pinned: CohortCourse,
    enrolment: Enrolment,
    instructor: User,
    client_of: Callable[[User], Client],
) -> None:
    client = client_of(instructor)
    for _time in range(2):
        answer = client.post(address("step_open_for_all", pinned, "sample", "quiz"), follow=True)
    assert "The step was open for the whole class already." in answer.content.decode()
    pinned.refresh_from_db()
    assert pinned.opened_steps == ["quiz"]
    event = AuditEvent.objects.get()
    assert (event.kind, event.details) == ("step_opened", {"course": "sample", "step": "quiz"})
    student = client_of(enrolment.user)
    assert student.get(reverse("courses:step_detail", args=["sample", "quiz"])).status_code == 200
    for slug, key in (("sample", "nothing"), ("nothing", "quiz")):
        unknown = client.post(address("step_open_for_all", pinned, slug, key))
        assert unknown.status_code == 404


def test_others_can_neither_look_nor_act(
    tmp_path: Path,
    pinned: CohortCourse,
    enrolment: Enrolment,
    other_student: User,
    client_of: Callable[[User], Client],
) -> None:
    request = raise_hand(enrolment, "hello")
    acts = [
        address("help_claim", pinned, request.pk),
        address("help_resolve", pinned, request.pk),
        address("step_open_for_all", pinned, "sample", "quiz"),
    ]
    for person in (other_student, enrolment.user):
        client = client_of(person)
        for name in ("needs", "needs_pieces"):
            assert client.get(address(name, pinned)).status_code == 404
        assert [client.post(act).status_code for act in acts] == [404] * 3
    join(pinned.cohort, other_student, Role.OBSERVER)
    observer = client_of(other_student)
    page = observer.get(address("needs", pinned)).content.decode()
    assert "Asks for help" in page
    assert "needs-form" not in page
    assert [observer.post(act).status_code for act in acts] == [403] * 3
    assert HelpRequest.objects.get().state == "open"


def test_a_request_of_another_class_is_not_there(
    pinned: CohortCourse,
    enrolment: Enrolment,
    instructor: User,
    other_student: User,
    client_of: Callable[[User], Client],
) -> None:
    request = raise_hand(enrolment, "hello")
    other = CohortCourse.objects.get(pk=pinned.pk)
    other.cohort = Cohort.objects.create(name="Class 2")
    join(other.cohort, other_student, Role.INSTRUCTOR)
    client = client_of(other_student)
    for name in ("help_claim", "help_resolve"):
        assert client.post(address(name, other, request.pk)).status_code == 404
    assert client.post(address("step_open_for_all", other, "sample", "quiz")).status_code == 404


def test_the_list_costs_the_same_for_a_larger_class(
    pinned: CohortCourse, instructor: User, client_of: Callable[[User], Client]
) -> None:
    client = client_of(instructor)
    counts = []
    for names in ("abc", "defghijkl"):
        for name in names:
            member = make_member(pinned, name * 3)
            be_at(member, "train", checks=FAILED_CHECK, fails_in_row=3)
            raise_hand(member, "train")
        waiter = make_member(pinned, names)
        be_at(waiter, "train")
        make_training_job(waiter.user)
        make_completed_job(waiter.user)
        client.get(address("needs", pinned))
        with CaptureQueriesContext(connection) as queries:
            client.get(address("needs", pinned))
        counts.append(len(queries))
    assert counts[0] == counts[1]
