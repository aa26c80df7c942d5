"""Points out into a file and in from one: nothing runs as a formula, and nothing is stored that was not shown."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import AuditEvent, Cohort, Membership, User
from common.errors import ConflictError, InvalidInputError
from courses.models import CohortCourse, Course, ScoreEvent
from courses.selectors.scores import score_of
from courses.services.grade_import import preview_import, store_import
from courses.services.grading import Decision, exempt, set_points
from courses.services.publishing import publish_courses
from courses.tests.classes import STEPS, Role, World, make_world
from courses.tests.writing import write_course

pytestmark = pytest.mark.django_db
HEAD = "username,course,step,points,reason"
REASON = "Oral examination"


@pytest.fixture
def world(tmp_path: Path, instructor: User) -> World:
    world = make_world(tmp_path)
    world.add(instructor, Role.INSTRUCTOR)
    return world


@pytest.fixture
def client(world: World, instructor: User, client_of: Callable[[User], Client]) -> Client:
    return client_of(instructor)


def address(world: World, name: str) -> str:
    return reverse(f"classroom:gradebook_{name}", args=[world.cohort.pk])


def exported(client: Client, world: World, **query: str) -> list[dict[str, str]]:
    answer = client.get(address(world, "export"), query)
    content = answer.getvalue()
    assert content.startswith(b"\xef\xbb\xbf")
    assert "attachment" in answer["Content-Disposition"]
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_what_is_exported(client: Client, world: World, instructor: User) -> None:
    user = world.student("dana", display_name="=HYPERLINK(1)")
    world.student("emil", begins=False)
    world.passes(user, "quiz")
    exempt(Decision(instructor, world.cohort, world.enrolment(user).pk, "last", REASON, None))
    first, second = exported(client, world, course="sample")
    assert first == {
        "username": "dana",
        "name": "'=HYPERLINK(1)",
        "course": "sample",
        "sample/hello": "",
        "sample/quiz": "2.0",
        "sample/last": "exempt",
        "sample/extra": "0.0",
        "points": "2.0",
        "max_points": "2",
        "percent_done": "99",
        "state": "under_way",
    }
    assert (second["name"], second["state"], second["points"]) == ("emil", "not_begun", "")


def test_all_courses_in_one_file(client: Client, world: World, tmp_path: Path) -> None:
    folder = tmp_path / "more"
    write_course(folder / "sample", steps=STEPS)
    write_course(folder / "second", {"slug": "second", "level": 2}, {"quiz": STEPS["quiz"]})
    publish_courses(folder)
    course = Course.objects.get(slug="second")
    CohortCourse.objects.create(cohort=world.cohort, course=course, version=course.versions.get())
    world.passes(world.student("dana"), "quiz")
    rows = exported(client, world)
    assert [row["course"] for row in rows] == ["sample", "second"]
    assert (rows[0]["sample/quiz"], rows[0]["second/quiz"]) == ("2.0", "")
    assert client.get(address(world, "export"), {"course": "nothing"}).status_code == 404


# --- import -----------------------------------------------------------------------------------------


def content(*rows: str, head: str = HEAD) -> bytes:
    return "\r\n".join([head, *rows, ""]).encode()


def upload(client: Client, world: World, file: bytes) -> object:
    sent = {"file": SimpleUploadedFile("points.csv", file)}
    return client.post(address(world, "import"), sent)


def points_of(world: World, user: User, step: str = "quiz") -> float:
    return score_of(world.enrolment(user), step).points


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_points_are_shown_first_and_stored_then(
    client: Client, world: World, encoding: str
) -> None:
    user = world.student("dana")
    world.passes(user, "quiz")
    text = content(f"dana,sample,quiz,0.5,{REASON}", "dana,sample,last,1,口頭で説明").decode()
    page = upload(client, world, text.encode(encoding))
    assert page.status_code == 200
    shown = page.content.decode()
    assert "口頭で説明" in shown
    assert "Set 2 scores" in shown
    assert points_of(world, user) == 2
    token = page.context["preview"].token
    stored = client.post(address(world, "import"), {"token": token}, follow=True)
    assert "2 scores are set." in stored.content.decode()
    assert (points_of(world, user), points_of(world, user, "last")) == (0.5, 1)
    assert AuditEvent.objects.get().details == {"count": 2}
    again = client.post(address(world, "import"), {"token": token})
    assert again.status_code == 409
    assert ScoreEvent.objects.count() == 3


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("nobody,sample,quiz,1,Oral examination", "No student of this class"),
        ("stranger,sample,quiz,1,Oral examination", "No student of this class"),
        ("chiyo,sample,quiz,1,Oral examination", "No student of this class"),
        ("idle,sample,quiz,1,Oral examination", "No student of this class"),
        ("dana,level-1,quiz,1,Oral examination", "does not take a course"),
        ("dana,sample,nothing,1,Oral examination", "no step of this name"),
        ("dana,sample,quiz,3,Oral examination", "from 0 to 2"),
        ("dana,sample,quiz,-1,Oral examination", "from 0 to 2"),
        ("dana,sample,quiz,0.3,Oral examination", "from 0 to 2"),
        ("dana,sample,quiz,nan,Oral examination", "from 0 to 2"),
        ("dana,sample,quiz,,Oral examination", "from 0 to 2"),
        ("dana,sample,hello,1,Oral examination", "from 0 to 0"),
        ("dana,sample,quiz,1,no", "Give a reason"),
        ("dana,sample,quiz", "from 0 to 2"),
        ("dana,sample,last,0.5,Oral examination", "stand in line 2 already"),
    ],
)
def test_a_faulty_row_is_told_by_its_line_and_stops_the_file(
    client: Client, world: World, row: str, sentence: str, other_student: User
) -> None:
    world.student("dana")
    world.student("idle", begins=False)
    User.objects.create_user("stranger")
    page = upload(client, world, content(f"dana,sample,last,1,{REASON}", row))
    shown = page.content.decode()
    assert page.status_code == 422
    assert sentence in shown
    assert '<th scope="row" class="is-number">3</th>' in shown
    assert page.context["preview"].token == ""


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (b"", "This file is empty"),
        (b"username,course\r\ndana,sample\r\n", "step, points, reason is missing"),
        (content(), "no rows below"),
        (b"\x81\xff\xfe", "no CSV file in UTF-8 or Shift_JIS"),
        (HEAD.encode() + b"\r\ndana,sample\0\r\n", "no CSV file in UTF-8 or Shift_JIS"),
        (b"x" * (1024 * 1024 + 1), "larger than 1 MiB"),
        (HEAD.encode() + b'\r\n"dana,sample\r\n', "quotation marks on line 2"),
        (content(*["a,b,c,1,d"] * 5001), "more than 5000 rows"),
    ],
)
def test_a_file_that_can_not_be_used(
    client: Client, world: World, file: bytes, sentence: str
) -> None:
    answer = upload(client, world, file)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_the_delimiters_of_other_spreadsheets_are_read(
    client: Client, world: World, delimiter: str
) -> None:
    world.student("dana")
    file = "\n".join([HEAD, f"dana,sample,quiz,1,{REASON}"]).replace(",", delimiter)
    page = upload(client, world, file.encode())
    assert [row.line for row in page.context["preview"].changes] == [2]


def test_a_row_is_named_by_the_line_on_which_it_begins(client: Client, world: World) -> None:
    world.student("dana")
    page = upload(client, world, content('dana,sample,quiz,9,"Oral\r\nexamination"'))
    assert [row.line for row in page.context["preview"].problems] == [2]


def test_what_stands_there_already_changes_nothing(client: Client, world: World) -> None:
    user = world.student("dana")
    world.passes(user, "quiz")
    page = upload(client, world, content(f"dana,sample,quiz,2,{REASON}"))
    assert "Nothing would change" in page.content.decode()
    assert page.context["preview"].token == ""


def test_a_name_that_was_escaped_for_a_spreadsheet_is_found(client: Client, world: World) -> None:
    world.student("+dana")
    page = upload(client, world, content(f"'+dana,sample,quiz,1,{REASON}"))
    assert len(page.context["preview"].changes) == 1


def test_nothing_is_stored_when_a_score_changed_since(world: World, instructor: User) -> None:
    first, second = world.student("dana"), world.student("emil")
    rows = [f"{user.username},sample,quiz,1,{REASON}" for user in (first, second)]
    preview = preview_import(instructor, world.cohort, content(*rows))
    set_points(
        Decision(instructor, world.cohort, world.enrolment(second).pk, "quiz", REASON, None), 2
    )
    with pytest.raises(ConflictError):
        store_import(instructor, world.cohort, preview.token)
    assert ScoreEvent.objects.count() == 1
    Membership.objects.filter(user=second).delete()
    with pytest.raises(ConflictError):
        store_import(instructor, world.cohort, preview.token)


def test_a_preview_is_of_one_person_and_class(
    world: World, instructor: User, other_student: User
) -> None:
    world.student("dana")
    preview = preview_import(instructor, world.cohort, content(f"dana,sample,quiz,1,{REASON}"))
    other = Cohort.objects.create(name="Other")
    for actor, cohort, token in (
        (other_student, world.cohort, preview.token),
        (instructor, other, preview.token),
        (instructor, world.cohort, preview.token[:-2]),
        (instructor, world.cohort, ""),
    ):
        with pytest.raises(InvalidInputError):
            store_import(actor, cohort, token)
    assert not ScoreEvent.objects.exists()


def test_an_observer_exports_and_imports_nothing(
    world: World, other_student: User, client_of: Callable[[User], Client]
) -> None:
    observer = client_of(world.add(other_student, Role.OBSERVER))
    user = world.student("dana")
    assert observer.get(address(world, "export")).status_code == 200
    assert observer.get(address(world, "import")).status_code == 403
    assert upload(observer, world, content("dana,sample,quiz,1,Because")).status_code == 403
    assert client_of(user).get(address(world, "import")).status_code == 404


def test_the_number_of_queries_does_not_grow(world: World, instructor: User) -> None:
    def count() -> int:
        rows = [
            f"{name},sample,quiz,1,{REASON}"
            for name in world.cohort.enrolments.values_list("user__username", flat=True)
        ]
        with CaptureQueriesContext(connection) as queries:
            preview_import(instructor, world.cohort, content(*rows))
        return len(queries)

    for number in range(3):
        world.student(f"s{number}")
    few = count()
    for number in range(3, 12):
        world.student(f"s{number}")
    assert count() == few
