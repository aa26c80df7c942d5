"""Due dates: of a class, of single students, and what the students see of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, Cohort, User
from common.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from courses.models import CohortCourse, DueOverride, StepProgress
from courses.selectors.class_time import read_moment, zone_of
from courses.selectors.due import due_of, dues_of
from courses.services.extending import extend_due, reset_due
from courses.tests.factories import enrol
from courses.tests.roster_class import Role, address, join, make_class, make_student, take_sample

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def cohort(instructor: User, student: User) -> Cohort:
    cohort = make_class(instructor, student)
    cohort.time_zone = "Asia/Tokyo"
    cohort.save()
    return cohort


@pytest.fixture
def taken(cohort: Cohort, tmp_path: Path) -> CohortCourse:
    return take_sample(cohort, tmp_path)


def in_days(days: float) -> datetime:
    return timezone.now() + timedelta(days=days)


def test_a_date_is_read_in_the_zone_of_the_class() -> None:
    moment = read_moment("2027-01-10T18:00", ZoneInfo("Asia/Tokyo"))
    assert moment == datetime(2027, 1, 10, 9, tzinfo=UTC)
    assert read_moment(" 2027-01-10 18:00+00:00", BERLIN).astimezone(UTC).hour == 18


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tomorrow", "no date with a time"),
        ("2027-13-01T00:00", "no date with a time"),
        ("2027-01-10", "time is missing"),
        ("2027-03-28T02:30", "skip this time"),
        ("2027-10-31T02:30", "show this time twice"),
        ("9999-12-31T23:59", "too far away"),
        ("0001-01-01T00:00", "too far away"),
    ],
)
def test_a_time_that_does_not_exist_once_is_told(text: str, words: str) -> None:
    zone = ZoneInfo("America/New_York") if text.startswith("9999") else BERLIN
    with pytest.raises(InvalidInputError, match=words):
        read_moment(text, zone)


@pytest.mark.parametrize("name", ["", "Nowhere/Atlantis", "../../etc/passwd", "x" * 64])
def test_a_class_without_a_known_zone_takes_the_servers(name: str) -> None:
    assert str(zone_of(Cohort(time_zone=name))) == "UTC"


def test_ones_own_date_stands_before_that_of_the_class(
    cohort: Cohort, taken: CohortCourse, instructor: User, student: User
) -> None:
    enrolment = enrol(student, "sample")
    assert due_of(enrolment) is None
    taken.due_at = in_days(1)
    taken.save()
    due = due_of(enrolment)
    assert due is not None
    assert (due.at, due.is_own, str(due.zone)) == (taken.due_at, False, "Asia/Tokyo")
    later = in_days(5)
    extend_due(instructor, cohort, taken.pk, [student.pk], due_at=later, reason=" was ill ")
    due = due_of(enrolment)
    assert due is not None
    assert (due.at, due.is_own) == (later, True)
    # Another one replaces it, and moving the date of the class does not move it.
    latest = in_days(9)
    extend_due(instructor, cohort, taken.pk, [student.pk], due_at=latest, reason="still ill")
    CohortCourse.objects.update(due_at=in_days(2))
    assert DueOverride.objects.get().reason == "still ill"
    due = due_of(enrolment)
    assert due is not None
    assert due.at == latest
    assert reset_due(instructor, cohort, taken.pk, [student.pk]) == [student]
    assert reset_due(instructor, cohort, taken.pk, [student.pk]) == []
    due = due_of(enrolment)
    assert due is not None
    assert not due.is_own
    kinds = list(AuditEvent.objects.order_by("created_at").values_list("kind", flat=True))
    assert kinds == ["due_extended", "due_extended", "due_reset"]
    event = AuditEvent.objects.filter(kind="due_extended").first()
    assert event is not None
    assert event.person == student
    assert event.details["course"] == "sample"
    assert "ill" not in str(event.details)


def test_what_can_not_be_is_refused_whole(
    cohort: Cohort,
    taken: CohortCourse,
    instructor: User,
    student: User,
    other_student: User,
    tmp_path: Path,
) -> None:
    other = make_class(User.objects.create_user("second"), other_student, name="Other")
    foreign = CohortCourse.objects.create(cohort=other, course=taken.course, version=taken.version)
    observer = User.objects.create_user("olga")
    join(cohort, observer, Role.OBSERVER)
    good = {"due_at": in_days(3), "reason": "ill"}
    for error, actor, course, ids, changes in (
        (ForbiddenError, observer, taken, [student.pk], {}),
        (ForbiddenError, other_student, taken, [student.pk], {}),
        (NotFoundError, instructor, foreign, [student.pk], {}),
        (ConflictError, instructor, taken, [student.pk, other_student.pk], {}),
        (ConflictError, instructor, taken, [instructor.pk], {}),
        (InvalidInputError, instructor, taken, [], {}),
        (InvalidInputError, instructor, taken, [student.pk], {"due_at": in_days(-1)}),
        (InvalidInputError, instructor, taken, [student.pk], {"due_at": in_days(4000)}),
        (
            InvalidInputError,
            instructor,
            taken,
            [student.pk],
            {"due_at": in_days(3).replace(tzinfo=None)},
        ),
        (InvalidInputError, instructor, taken, [student.pk], {"reason": "  "}),
        (InvalidInputError, instructor, taken, [student.pk], {"reason": "x" * 201}),
    ):
        with pytest.raises(error):
            extend_due(actor, cohort, course.pk, ids, **(good | changes))
    with pytest.raises(ForbiddenError):
        reset_due(observer, cohort, taken.pk, [student.pk])
    assert not DueOverride.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_leader_extends_from_the_roster(
    cohort: Cohort, taken: CohortCourse, student: User, client_of: SignIn
) -> None:
    assistant = User.objects.create_user("taro")
    join(cohort, assistant, Role.ASSISTANT)
    client = client_of(assistant)
    second = make_student(cohort, 2)
    page = client.get(
        address(cohort, "roster_due"), {"student": [student.pk, second.pk, "x", "9" * 30]}
    )
    assert "2 students are chosen" in page.content.decode()
    assert "Asia/Tokyo" in page.content.decode()
    year = timezone.now().year + 1
    sent = {
        "student": [student.pk, second.pk],
        "course": str(taken.pk),
        "due_at": f"{year}-02-01T18:00",
        "reason": "A network failure",
    }
    done = client.post(address(cohort, "roster_due"), sent, follow=True)
    page_text = done.content.decode()
    assert "2 students have a due date of their own now." in page_text
    assert "own date" in page_text
    assert set(DueOverride.objects.values_list("due_at", flat=True)) == {
        datetime(year, 2, 1, 9, tzinfo=UTC)
    }
    reset = client.post(address(cohort, "roster_due_reset"), sent, follow=True)
    assert "2 students have the due date of the class again." in reset.content.decode()
    assert not DueOverride.objects.exists()


def test_what_is_wrong_stands_at_its_field_and_what_was_typed_stays(
    cohort: Cohort, taken: CohortCourse, instructor: User, student: User, client_of: SignIn
) -> None:
    client = client_of(instructor)
    sent = {
        "student": [student.pk],
        "course": str(taken.pk),
        "due_at": "2020-01-01T10:00",
        "reason": "Because of <x>",
    }
    answer = client.post(address(cohort, "roster_due"), sent)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "This time is over." in page
    assert "2020-01-01T10:00" in page
    assert "Because of &lt;x&gt;" in page
    for changes in ({"due_at": "soon"}, {"reason": ""}, {"course": "x"}):
        assert client.post(address(cohort, "roster_due"), sent | changes).status_code == 422
    assert not DueOverride.objects.exists()


def test_without_a_choice_or_a_course_it_says_so(
    cohort: Cohort, instructor: User, student: User, client_of: SignIn
) -> None:
    client = client_of(instructor)
    page = client.get(address(cohort, "roster_due"), follow=True).content.decode()
    assert "Nobody is chosen." in page
    page = client.get(address(cohort, "roster_due"), {"student": student.pk}).content.decode()
    assert "takes no course yet" in page
    page = client.post(address(cohort, "roster_due_reset"), {}, follow=True).content.decode()
    assert "Nothing was changed" in page


def course_pages(client: Client) -> list[str]:
    return [
        client.get(reverse("courses:course_list")).content.decode(),
        client.get(reverse("courses:course_detail", args=["sample"])).content.decode(),
    ]


def test_a_student_sees_the_date_and_is_late_after_it(
    taken: CohortCourse, student: User, client_of: SignIn
) -> None:
    client = client_of(student)
    assert not any("course-due" in page for page in course_pages(client))
    taken.due_at = in_days(1)
    taken.save()
    for page in course_pages(client):
        assert "Due on" in page
        assert "Asia/Tokyo" in page
    CohortCourse.objects.update(due_at=in_days(-1))
    assert all(">Late<" in page.replace("</svg>", ">") for page in course_pages(client))
    enrolment = enrol(student, "sample")
    assert all("It was due on" in page for page in course_pages(client))
    step = StepProgress.objects.create(enrolment=enrolment, step_key="hello", state="waiting")
    for page in course_pages(client):
        assert "you are not late" in page
        assert ">Late<" not in page.replace("</svg>", ">")
    step.state = "exempt"
    step.save()
    StepProgress.objects.create(enrolment=enrolment, step_key="quiz", state="exempt")
    for page in course_pages(client):
        assert "Due on" in page
        assert "Late" not in page


def test_own_date_is_shown_to_its_student_and_no_date_to_leaders(
    cohort: Cohort, taken: CohortCourse, student: User, instructor: User, client_of: SignIn
) -> None:
    extend_due(instructor, cohort, taken.pk, [student.pk], due_at=in_days(3), reason="secret")
    for page in course_pages(client_of(student)):
        assert "your own date" in page
        assert "secret" not in page
    CohortCourse.objects.update(due_at=in_days(-1))
    assert not any("course-due" in page for page in course_pages(client_of(instructor)))


def test_the_dates_of_many_take_two_queries(
    cohort: Cohort, taken: CohortCourse, student: User
) -> None:
    taken.due_at = in_days(1)
    taken.save()
    enrolments = [enrol(make_student(cohort, number), "sample") for number in range(12)]
    with CaptureQueriesContext(connection) as queries:
        assert len(dues_of(enrolments)) == 12
    assert len(queries) == 2
    assert dues_of([]) == {}


def test_a_choice_that_is_out_of_date_is_told(
    cohort: Cohort,
    taken: CohortCourse,
    instructor: User,
    student: User,
    other_student: User,
    client_of: SignIn,
) -> None:
    sent = {
        "student": [student.pk, other_student.pk],
        "course": str(taken.pk),
        "due_at": f"{timezone.now().year + 1}-02-01T18:00",
        "reason": "ill",
    }
    answer = client_of(instructor).post(address(cohort, "roster_due"), sent, follow=True)
    assert "somebody whom you chose is no student" in answer.content.decode()
    assert not DueOverride.objects.exists()
