"""The content pages of a class: versions and what choosing one does, dates, open steps, and a step to look at."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, Cohort, Membership, User
from common.errors import ConflictError, ForbiddenError, NotFoundError
from courses.models import CohortCourse, Course, CourseVersion, Enrolment, StepProgress
from courses.selectors.class_content import class_course
from courses.selectors.content import content_of
from courses.selectors.version_changes import changes_between, text_difference
from courses.services import class_content as services
from courses.services.certifying import issue
from courses.services.publishing import publish_courses
from courses.tests.factories import enrol, publish_sample
from courses.tests.writing import HELLO, QUIZ, write_course, write_texts

pytestmark = pytest.mark.django_db
Role = Membership.Role


@pytest.fixture
def course(tmp_path: Path) -> Course:
    return publish_sample(tmp_path)


@pytest.fixture
def cohort(course: Course, instructor: User) -> Cohort:
    """A class in Tokyo that takes version 1 of the sample course."""
    cohort = Cohort.objects.create(name="Class", time_zone="Asia/Tokyo")
    Membership.objects.create(cohort=cohort, user=instructor, role=Role.INSTRUCTOR)
    CohortCourse.objects.create(cohort=cohort, course=course, version=course.versions.get())
    return cohort


@pytest.fixture
def row(cohort: Cohort) -> CohortCourse:
    return CohortCourse.objects.get(cohort=cohort)


@pytest.fixture
def client(instructor: User, cohort: Cohort, client_of: Callable[[User], Client]) -> Client:
    return client_of(instructor)


def address(cohort: Cohort, name: str, *rest: str) -> str:
    return reverse(f"classroom:{name}", args=[cohort.pk, *rest])


def publish_next(
    folder: Path, steps: dict[str, dict[str, Any]] | None = None, **about: Any
) -> CourseVersion:
    """The next version of the sample course, from a folder of its own."""
    place = folder / f"next-{CourseVersion.objects.count()}"
    write_course(place / "sample", about or None, steps)
    write_texts(place / "sample", "hello", "# The step hello\n\nSome <b>other</b> text.\n")
    publish_courses(place)
    return CourseVersion.objects.order_by("-number").first()  # type: ignore[return-value]


def join(cohort: Cohort, name: str, *passed: str) -> Enrolment:
    user = User.objects.create_user(name, f"{name}@example.org")
    Membership.objects.create(cohort=cohort, user=user)
    enrolment = enrol(user, "sample")
    for key in passed:
        StepProgress.objects.create(
            enrolment=enrolment, step_key=key, state="passed", passed_at=timezone.now()
        )
    return enrolment


def test_changes_are_told_by_step_and_kind(tmp_path: Path, course: Course) -> None:
    longer = HELLO | {"minutes": 4, "checks": [HELLO["checks"][0] | {"with": {"seconds": 9}}]}
    new = publish_next(tmp_path, {"hello": longer, "more": HELLO}, minutes=9)
    old = course.versions.get(number=1)
    changes = changes_between(content_of(old.pk), content_of(new.pk), "en")
    assert [step.key for step in changes.added] == ["more"]
    assert [step.key for step in changes.removed] == ["quiz"]
    assert [(step.key, step.aspects) for step in changes.changed] == [
        ("hello", ("text_en", "checks", "minutes"))
    ]
    assert changes.is_about_changed
    assert not changes.is_reordered


def test_another_order_is_told(tmp_path: Path, course: Course) -> None:
    new = publish_next(tmp_path, {"quiz": QUIZ, "hello": HELLO})
    old = course.versions.get(number=1)
    changes = changes_between(content_of(old.pk), content_of(new.pk), "ja")
    assert changes.is_reordered
    assert not changes.is_about_changed


def test_a_text_is_compared_line_by_line(tmp_path: Path, course: Course) -> None:
    new = content_of(publish_next(tmp_path).pk)
    old = content_of(course.versions.get(number=1).pk)
    lines = text_difference(old.step("hello"), new.step("hello"), "en")
    assert [(line.kind, line.text) for line in lines] == [
        ("same", "# The step hello"),
        ("removed", "Some text."),
        ("added", "Some <b>other</b> text."),
    ]
    assert [line.kind for line in text_difference(old.step("quiz"), None, "en")] == [
        "removed",
        "removed",
    ]
    assert text_difference(old.step("quiz"), new.step("quiz"), "en") == []


def test_the_pinned_version_is_shown_beside_the_newest(
    tmp_path: Path, cohort: Cohort, client: Client
) -> None:
    assert "Newest version" in client.get(address(cohort, "content")).content.decode()
    publish_next(tmp_path)
    assert "Version 2 is newer" in client.get(address(cohort, "content")).content.decode()
    page = client.get(
        address(cohort, "content_course", "sample"), {"step": "hello", "text": "en"}
    ).content.decode()
    for text in (
        "The class takes version 1",
        "What is different in version 2",
        "Some &lt;b&gt;other&lt;/b&gt; text.",
        "Take version 2",
    ):
        assert text in page, text
    assert "<b>other</b>" not in page
    japanese = client.get(
        address(cohort, "content_course", "sample"), {"step": "hello", "text": "ja"}
    ).content.decode()
    assert "&lt;b&gt;" not in japanese
    assert "In this language the text is the same." in japanese


def test_a_translation_of_an_older_text_is_told(
    tmp_path: Path, cohort: Cohort, row: CohortCourse, client: Client, instructor: User
) -> None:
    place = tmp_path / "stale"
    write_course(place / "sample")
    (place / "sample/steps/quiz.en.md").write_text("# Quiz\n\nNewer.\n", encoding="utf-8")
    publish_courses(place)
    services.pin_version(instructor, row, Course.objects.get().versions.get(number=2))
    page = client.get(address(cohort, "content")).content.decode()
    assert "1 step has a translation of an older text" in page
    course = client.get(address(cohort, "content_course", "sample")).content.decode()
    assert "older translation" in course
    step = client.get(address(cohort, "content_step", "sample", "quiz"), {"language": "ja"})
    assert "The English text of this step is newer" in step.content.decode()


def test_students_come_along_unless_a_passed_step_would_be_lost(
    tmp_path: Path, cohort: Cohort, row: CohortCourse, instructor: User
) -> None:
    moving, fresh = join(cohort, "moving", "hello"), join(cohort, "fresh")
    losing = join(cohort, "losing", "hello", "quiz")
    done = join(cohort, "done", "hello")
    Enrolment.objects.filter(pk=done.pk).update(completed_at=timezone.now())
    new = publish_next(tmp_path, {"hello": HELLO, "more": HELLO})
    plan = services.pin_version(instructor, row, new)
    versions = dict(Enrolment.objects.values_list("pk", "version__number"))
    assert versions == {moving.pk: 2, fresh.pk: 2, losing.pk: 1, done.pk: 1}
    assert {item.pk for item in plan.moving} == {moving.pk, fresh.pk}
    assert [item.pk for item in plan.losing] == [losing.pk]
    assert [item.pk for item in plan.completed] == [done.pk]
    row.refresh_from_db()
    assert row.version == new
    assert StepProgress.objects.get(enrolment=moving).state == "passed"
    event = AuditEvent.objects.get(kind="version_pinned")
    assert event.details == {"course": "sample", "version": 2, "moved": 2, "stayed": 2}


def test_pinning_twice_does_it_once(
    tmp_path: Path, cohort: Cohort, row: CohortCourse, instructor: User
) -> None:
    join(cohort, "moving", "hello")
    new = publish_next(tmp_path)
    services.pin_version(instructor, row, new)
    services.pin_version(instructor, row, new)
    assert AuditEvent.objects.filter(kind="version_pinned").count() == 1


def test_who_has_nothing_left_in_the_new_version_is_done(
    tmp_path: Path, cohort: Cohort, row: CohortCourse, instructor: User
) -> None:
    enrolment = join(cohort, "moving", "hello")
    new = publish_next(tmp_path, {"hello": HELLO, "quiz": QUIZ | {"required": False}})
    services.pin_version(instructor, row, new)
    enrolment.refresh_from_db()
    assert enrolment.completed_at is not None


def test_steps_that_are_gone_are_not_open_for_all_any_more(
    tmp_path: Path, row: CohortCourse, instructor: User
) -> None:
    CohortCourse.objects.update(opened_steps=["quiz"])
    services.pin_version(instructor, row, publish_next(tmp_path, {"hello": HELLO}))
    row.refresh_from_db()
    assert row.opened_steps == []


def test_a_version_of_another_course_is_refused(
    tmp_path: Path, row: CohortCourse, instructor: User, cohort: Cohort, client: Client
) -> None:
    write_course(tmp_path / "other", {"slug": "other"})
    publish_courses(tmp_path)
    foreign = Course.objects.get(slug="other").versions.get()
    with pytest.raises(NotFoundError):
        services.pin_version(instructor, row, foreign)
    for number in ("7", "", "x", "9" * 5000):
        answer = client.post(address(cohort, "content_pin", "sample"), {"version": number})
        assert answer.status_code == 404
    page = address(cohort, "content_course", "sample")
    assert client.get(page, {"to": "99"}).status_code == 404


def test_pinning_by_the_page(tmp_path: Path, cohort: Cohort, client: Client) -> None:
    losing = join(cohort, "losing", "quiz")
    join(cohort, "moving")
    publish_next(tmp_path, {"hello": HELLO})
    page = client.get(address(cohort, "content_course", "sample")).content.decode()
    assert "1 student goes along and keeps what is passed." in page
    assert "1 student stays at the version before" in page
    assert "losing" in page
    projected = client.get(address(cohort, "content_course", "sample"), {"projected": 1})
    assert str(losing.user) not in projected.content.decode()
    answer = client.post(
        address(cohort, "content_pin", "sample"), {"version": "2"}, follow=True
    ).content.decode()
    assert "The class takes version 2 now." in answer
    assert "1 stays at the version before." in answer


def test_dates_are_those_of_the_class(cohort: Cohort, row: CohortCourse, client: Client) -> None:
    saved = client.post(
        address(cohort, "content_dates", "sample"),
        {"release_at": "2026-12-01T09:00", "due_at": "2026-12-08T18:00"},
    )
    assert saved.status_code == 302
    row.refresh_from_db()
    assert row.release_at == datetime(2026, 12, 1, 0, 0, tzinfo=UTC)
    assert row.due_at == datetime(2026, 12, 8, 9, 0, tzinfo=UTC)
    page = client.get(address(cohort, "content_course", "sample")).content.decode()
    assert 'value="2026-12-01T09:00"' in page
    assert "Asia/Tokyo" in page
    assert [event.kind for event in AuditEvent.objects.all()] == ["cohort_changed"]


def test_a_course_that_is_not_open_yet_says_when_by_the_clock_of_the_class(
    cohort: Cohort, row: CohortCourse, student: User, instructor: User
) -> None:
    opens = datetime(2099, 12, 1, 0, 0, tzinfo=UTC)
    services.set_dates(instructor, row, release_at=opens, due_at=None)
    Membership.objects.create(cohort=cohort, user=student)
    with pytest.raises(ConflictError, match="2099-12-01 at 09:00"):
        enrol(student, "sample")


def test_what_can_not_be_is_told_at_its_field_and_stays(
    cohort: Cohort, row: CohortCourse, client: Client
) -> None:
    bad = {"release_at": "2026-12-08T09:00", "due_at": "2026-12-01T18:00"}
    answer = client.post(address(cohort, "content_dates", "sample"), bad)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "The course is due before it opens." in page
    assert 'value="2026-12-08T09:00"' in page
    answer = client.post(address(cohort, "content_dates", "sample"), {"due_at": "soon"})
    assert answer.status_code == 422
    row.refresh_from_db()
    assert (row.release_at, row.due_at) == (None, None)
    assert not AuditEvent.objects.exists()


def test_saving_the_same_is_no_act(row: CohortCourse, instructor: User) -> None:
    services.set_dates(instructor, row, release_at=None, due_at=None)
    assert not AuditEvent.objects.exists()


def test_courses_are_added_and_taken_away(
    tmp_path: Path, cohort: Cohort, client: Client, student: User
) -> None:
    write_course(tmp_path / "other", {"slug": "other", "title": {"en": "Other", "ja": "別"}})
    publish_courses(tmp_path)
    assert "Other" in client.get(address(cohort, "content")).content.decode()
    added = client.post(address(cohort, "content_add"), {"course": "other"})
    assert added.url == address(cohort, "content_course", "other")
    twice = client.post(address(cohort, "content_add"), {"course": "other"})
    assert twice.status_code == 422
    assert "The class takes this course already" in twice.content.decode()
    Membership.objects.create(cohort=cohort, user=student)
    enrolment = enrol(student, "other")
    remove = address(cohort, "content_remove", "other")
    assert "Take “Other” from the class?" in client.get(remove).content.decode()
    assert CohortCourse.objects.filter(course__slug="other").exists()
    client.post(remove)
    assert not CohortCourse.objects.filter(course__slug="other").exists()
    assert Enrolment.objects.filter(pk=enrolment.pk).exists()
    acts = AuditEvent.objects.order_by("created_at").values_list("details__what", flat=True)
    assert list(acts) == ["course_added", "course_removed"]


def test_a_step_is_shown_with_what_it_asks_for_and_nothing_is_counted(
    cohort: Cohort, client: Client
) -> None:
    page = client.get(address(cohort, "content_step", "sample", "quiz")).content.decode()
    for text in ("The step quiz", "Some text.", "1 question is answered right", "Which?", "Yes."):
        assert text in page, text
    japanese = client.get(
        address(cohort, "content_step", "sample", "quiz"), {"language": "ja"}
    ).content.decode()
    assert "文章です。" in japanese
    assert not StepProgress.objects.exists()
    assert client.get(address(cohort, "content_step", "sample", "nothing")).status_code == 404


@pytest.mark.parametrize("role", [Role.ASSISTANT, Role.OBSERVER])
def test_others_of_the_class_look_and_change_nothing(
    cohort: Cohort,
    row: CohortCourse,
    other_student: User,
    role: str,
    client_of: Callable[[User], Client],
) -> None:
    Membership.objects.create(cohort=cohort, user=other_student, role=role)
    client = client_of(other_student)
    for name, rest in (
        ("content", ()),
        ("content_course", ("sample",)),
        ("content_step", ("sample", "quiz")),
    ):
        page = client.get(address(cohort, name, *rest))
        assert page.status_code == 200
        text = page.content.decode()
        assert 'method="post" action="/admin/classroom' not in text
        assert ("steps-form" in text) == (role == Role.ASSISTANT and name == "content_course")
    for name, rest in _writing():
        data = {"course": "sample", "version": "1"}
        assert client.post(address(cohort, name, *rest), data).status_code == 403, name
    with pytest.raises(ForbiddenError):
        services.remove_course(other_student, row)
    with pytest.raises(ForbiddenError):
        services.pin_version(other_student, row, row.version)
    assert not AuditEvent.objects.exists()


def test_for_everybody_else_there_is_no_such_class(
    cohort: Cohort, student: User, other_student: User, client_of: Callable[[User], Client]
) -> None:
    Membership.objects.create(cohort=cohort, user=student)
    for person in (student, other_student):
        client = client_of(person)
        assert client.get(address(cohort, "content")).status_code == 404
        assert client.get(address(cohort, "content_course", "sample")).status_code == 404
        for name, rest in _writing():
            assert client.post(address(cohort, name, *rest)).status_code == 404, name


def test_a_course_that_the_class_does_not_take_is_not_there(
    tmp_path: Path, cohort: Cohort, client: Client
) -> None:
    write_course(tmp_path / "other", {"slug": "other"})
    publish_courses(tmp_path)
    assert client.get(address(cohort, "content_course", "other")).status_code == 404
    assert client.post(address(cohort, "content_dates", "other")).status_code == 404


def _writing() -> list[tuple[str, tuple[str, ...]]]:
    course = ("sample",)
    return [
        ("content_add", ()),
        ("content_dates", course),
        ("content_pin", course),
        ("content_remove", course),
    ]


def test_a_class_without_courses_says_what_to_do(cohort: Cohort, client: Client) -> None:
    CohortCourse.objects.all().delete()
    page = client.get(address(cohort, "content")).content.decode()
    assert "This class takes no course yet" in page
    assert "Add to the class" in page


def test_certificates_of_the_class_are_listed(cohort: Cohort, client: Client) -> None:
    assert "None yet." in client.get(address(cohort, "content")).content.decode()
    enrolment = join(cohort, "kei", "hello", "quiz")
    Enrolment.objects.filter(pk=enrolment.pk).update(completed_at=timezone.now())
    enrolment.refresh_from_db()
    certificate, _is_new = issue(enrolment, name="Kei Tanaka", language="en")
    link = reverse("certificates:certificate", args=[certificate.pk])
    assert link in client.get(address(cohort, "content")).content.decode()
    projected = client.get(address(cohort, "content"), {"projected": "1"}).content.decode()
    assert link not in projected
    assert ">kei<" not in projected


def test_pages_take_as_many_queries_for_three_students_as_for_twelve(
    tmp_path: Path, cohort: Cohort, client: Client
) -> None:
    new = publish_next(tmp_path, {"hello": HELLO})
    pages = [address(cohort, "content"), address(cohort, "content_course", "sample")]
    counts = []
    for count in (3, 9):
        for number in range(count):
            done = join(cohort, f"s{count}-{number}", "hello", *(["quiz"] if number % 2 else []))
            if number % 3 == 0:
                Enrolment.objects.filter(pk=done.pk).update(completed_at=timezone.now())
                done.refresh_from_db()
                issue(done, name=f"Student {number}", language="en")
        for page in pages:
            client.get(page)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            for page in pages:
                assert client.get(page).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert class_course(cohort, "sample", "en").begun == 12
    assert new.number == 2
