"""A roster as a CSV file: read in every shape that spreadsheets write, planned, imported once."""

from __future__ import annotations

import codecs

import pytest
from allauth.account.models import EmailAddress
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEvent, Cohort, JoinRequest, Membership, RosterEntry, User
from accounts.roster.importing import import_roster, preview_import, remove_entry
from accounts.roster.planning import Plan
from accounts.roster.reading import parse
from common.csv_reading import MAX_BYTES, decode
from common.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from common.safe_csv import safe_cell, write_rows

pytestmark = pytest.mark.django_db
Role = Membership.Role


@pytest.fixture
def cohort(instructor: User) -> Cohort:
    cohort = Cohort.objects.create(name="Class A")
    Membership.objects.create(cohort=cohort, user=instructor, role=Role.INSTRUCTOR)
    return cohort


def verify(user: User, email: str = "") -> None:
    EmailAddress.objects.create(user=user, email=email or user.email, verified=True)


def counts(plan: Plan) -> tuple[int, int, int, int]:
    return len(plan.new), len(plan.changed), len(plan.already), len(plan.faults)


@pytest.mark.parametrize(
    "content",
    [
        "email,username,name,role\nAiko@Example.org,aiko,愛子,student\n".encode(),
        codecs.BOM_UTF8
        + "メール;ユーザー名;氏名;役割\r\naiko@example.org;aiko;愛子;受講者\r\n".encode(),
        "メール\tユーザー名\t氏名\t役割\naiko@example.org\taiko\t愛子\t学生".encode("cp932"),
        "\n\nRole,Name,E-Mail,User name,Phone\nSTUDENT, 愛子 ,ａｉｋｏ＠example.org,ａｉｋｏ,+81\n,,,,\n".encode(),
        'email,username,name,role\r"aiko@example.org","aiko","愛子","student"\r'.encode(),
    ],
    ids=["plain", "bom-semicolon-ja", "cp932-tab", "other-order", "old-mac"],
)
def test_every_usual_shape_is_read(content: bytes) -> None:
    sheet = parse(decode(content))
    assert sheet.faults == []
    (row,) = sheet.rows
    assert (row.email, row.username, row.name, row.role) == (
        "aiko@example.org",
        "aiko",
        "愛子",
        "student",
    )


def test_columns_that_mean_nothing_are_named() -> None:
    assert parse("email,Phone\na@example.org,1\n").unread == ["Phone"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\xff\xfe\x00\x01", "UTF-8 or Shift_JIS"),
        (b"email\0\n", "UTF-8 or Shift_JIS"),
        (b"x" * (MAX_BYTES + 1), "larger than 1 MiB"),
        (b"first,second\na,b\n", "neither a column email"),
        (b"email,mail\na@example.org,b@example.org\n", "mean the same"),
        (b"email,name\n", "Nobody stands"),
        (b'email,name\na@example.org,"open\nb@example.org,c\n', "line 2"),
        (b"email\n" + b"".join(b"p%d@e.org\n" % n for n in range(10_001)), "10,000"),
    ],
)
def test_what_is_no_roster_is_refused_in_a_sentence(content: bytes, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        parse(decode(content))


def test_every_wrong_line_is_told_with_its_number() -> None:
    text = (
        "email,username,name,role\n"
        "a@example.org,,A,student\n"
        ",,Nobody,\n"
        "not-an-address,,B,\n"
        'c@example.org,c c,"Two\nlines",king\n'
        "A@EXAMPLE.ORG,,A again,\n"
        "d@example.org,d,D,student,extra\n"
        f"e@example.org,e,{'x' * 81},\n"
        f"{'f' * 250}@example.org,,F,\n"
    )
    sheet = parse(text)
    assert [row.email for row in sheet.rows] == ["a@example.org"]
    assert [fault.line for fault in sheet.faults] == [3, 4, 5, 7, 8, 9, 10]
    sentences = [str(fault.message) for fault in sheet.faults]
    assert "Neither an address nor a user name" in sentences[0]
    assert "no user name" in sentences[2]
    assert "no role" in sentences[2]
    assert "on line 2" in sentences[3]


def test_a_preview_counts_and_stores_nothing(
    cohort: Cohort, instructor: User, student: User
) -> None:
    Membership.objects.create(cohort=cohort, user=student)
    RosterEntry.objects.create(cohort=cohort, email="old@example.org", name="Old")
    RosterEntry.objects.create(cohort=cohort, email="same@example.org", name="Same")
    text = (
        "email,username,name,role\n"
        "new@example.org,,New,\n"
        "old@example.org,,Newer name,assistant\n"
        "same@example.org,,Same,\n"
        f",{student.username},,\n"
        "wrong,,,\n"
    )
    plan = preview_import(instructor, cohort, text)
    assert counts(plan) == (1, 1, 2, 1)
    assert RosterEntry.objects.count() == 2
    assert not AuditEvent.objects.exists()


def test_an_import_lets_in_who_is_known_and_expects_the_others(
    cohort: Cohort, instructor: User, student: User, other_student: User
) -> None:
    verify(student, "Aiko@Example.org")
    JoinRequest.objects.create(cohort=cohort, user=student)
    text = (
        "email,username,name,role\n"
        "aiko@example.org,,Aiko,observer\n"
        f",{other_student.username},Ben,observer\n"
        "later@example.org,,Later,assistant\n"
    )
    plan = import_roster(instructor, cohort, text, skips_wrong=False)
    assert counts(plan) == (3, 0, 0, 0)
    roles = dict(cohort.memberships.values_list("user__username", "role"))
    # A user name proves nothing, so it gives no more than a student's role.
    assert roles == {"aiko": "observer", "ben": "student", "chiyo": "instructor"}
    assert [item.is_lowered for item in plan.planned] == [False, True, False]
    assert not JoinRequest.objects.exists()
    entries = RosterEntry.objects.order_by("name")
    assert [entry.claimed_by for entry in entries] == [student, other_student, None]
    event = AuditEvent.objects.get()
    assert (event.kind, event.details) == (
        "roster_imported",
        {"added": 3, "changed": 0, "joined": 2},
    )
    again = import_roster(instructor, cohort, text, skips_wrong=False)
    assert counts(again) == (0, 0, 3, 0)
    assert AuditEvent.objects.count() == 1
    assert RosterEntry.objects.count() == 3


def test_an_address_that_nobody_verified_lets_nobody_in(
    cohort: Cohort, instructor: User, student: User
) -> None:
    EmailAddress.objects.create(user=student, email=student.email, verified=False)
    import_roster(
        instructor, cohort, f"email,role\n{student.email},instructor\n", skips_wrong=False
    )
    assert not cohort.memberships.filter(user=student).exists()
    assert RosterEntry.objects.get().claimed_by is None


def test_who_is_in_keeps_their_role_and_an_empty_cell_changes_nothing(
    cohort: Cohort, instructor: User, student: User
) -> None:
    verify(student)
    Membership.objects.create(cohort=cohort, user=student, role=Role.ASSISTANT)
    RosterEntry.objects.create(cohort=cohort, email="x@example.org", name="X", role=Role.ASSISTANT)
    text = f"email,name\n{student.email},Aiko\n{instructor.email},C\nx@example.org,\n"
    plan = import_roster(instructor, cohort, text, skips_wrong=False)
    assert counts(plan) == (1, 0, 2, 0)
    assert cohort.memberships.get(user=student).role == Role.ASSISTANT
    assert RosterEntry.objects.get(email="x@example.org").role == Role.ASSISTANT


def test_lines_that_contradict_what_is_known_are_wrong(
    cohort: Cohort, instructor: User, student: User, other_student: User
) -> None:
    verify(student)
    RosterEntry.objects.create(cohort=cohort, email="one@example.org")
    RosterEntry.objects.create(cohort=cohort, username="two")
    RosterEntry.objects.create(
        cohort=cohort, email="taken@example.org", username="taken", claimed_by=instructor
    )
    text = (
        "email,username\n"
        f"{student.email},{other_student.username}\n"
        "one@example.org,two\n"
        f"taken@example.org,{other_student.username}\n"
        f"{student.email},\n"
        "three@example.org,aiko\n"
    )
    plan = preview_import(instructor, cohort, text)
    assert [fault.line for fault in plan.faults] == [2, 3, 4, 5]
    plan = preview_import(
        instructor, cohort, f"email,username\n{student.email},\n,{student.username}\n"
    )
    assert [fault.line for fault in plan.faults] == [3]


def test_wrong_lines_are_left_out_only_when_asked(cohort: Cohort, instructor: User) -> None:
    text = "email\ngood@example.org\nbad\n"
    with pytest.raises(InvalidInputError) as refusal:
        import_roster(instructor, cohort, text, skips_wrong=False)
    assert refusal.value.faults[0].line == 3
    assert not RosterEntry.objects.exists()
    import_roster(instructor, cohort, text, skips_wrong=True)
    assert RosterEntry.objects.get().email == "good@example.org"


@pytest.mark.parametrize("role", [Role.ASSISTANT, Role.OBSERVER, Role.STUDENT])
def test_only_instructors_of_this_class_import(cohort: Cohort, student: User, role: str) -> None:
    Membership.objects.create(cohort=cohort, user=student, role=role)
    other = Cohort.objects.create(name="Other")
    Membership.objects.create(cohort=other, user=student, role=Role.INSTRUCTOR)
    entry = RosterEntry.objects.create(cohort=cohort, email="one@example.org")
    for act in (
        lambda: preview_import(student, cohort, "email\na@example.org\n"),
        lambda: import_roster(student, cohort, "email\na@example.org\n", skips_wrong=True),
        lambda: remove_entry(student, cohort, entry.pk),
    ):
        with pytest.raises(ForbiddenError):
            act()
    assert RosterEntry.objects.get() == entry


def test_a_closed_or_full_class_takes_nobody_in(
    cohort: Cohort, instructor: User, student: User
) -> None:
    text = f"username\n{student.username}\n"
    cohort.seats = 0
    cohort.save()
    with pytest.raises(ConflictError, match="0 seats are free"):
        import_roster(instructor, cohort, text, skips_wrong=False)
    # Whoever is only expected takes no seat yet.
    import_roster(instructor, cohort, "username\nlater\n", skips_wrong=False)
    cohort.status, cohort.seats = Cohort.Status.CLOSED, None
    cohort.save()
    with pytest.raises(ConflictError, match="closed class"):
        preview_import(instructor, cohort, text)
    assert not cohort.memberships.filter(user=student).exists()


def test_somebody_expected_is_removed_once(cohort: Cohort, instructor: User, student: User) -> None:
    entry = RosterEntry.objects.create(cohort=cohort, email="one@example.org")
    claimed = RosterEntry.objects.create(cohort=cohort, username="aiko", claimed_by=student)
    other = RosterEntry.objects.create(
        cohort=Cohort.objects.create(name="Other"), email="one@example.org"
    )
    remove_entry(instructor, cohort, entry.pk)
    for gone in (entry, claimed, other):
        with pytest.raises(NotFoundError):
            remove_entry(instructor, cohort, gone.pk)
    assert RosterEntry.objects.count() == 2


def _large(count: int) -> str:
    lines = ["email,username,name,role"]
    for number in range(count):
        name = "broken address" if number % 10 == 9 else f"p{number}@example.org"
        lines.append(f"{name},p{number},Person {number},student")
    return "\n".join(lines)


def test_ten_thousand_people_are_imported(cohort: Cohort, instructor: User) -> None:
    users = [User(username=f"p{number}") for number in range(0, 10_000, 20)]
    User.objects.bulk_create(users)
    text = _large(10_000)
    with CaptureQueriesContext(connection) as queries:
        plan = import_roster(instructor, cohort, text, skips_wrong=True)
    assert counts(plan) == (9000, 0, 0, 1000)
    assert plan.faults[0].line == 11
    assert RosterEntry.objects.count() == 9000
    assert cohort.memberships.count() == 501
    # Two look-ups for 500 lines, and inserts of as many rows as SQLite takes at once.
    assert len(queries) <= 130
    assert counts(import_roster(instructor, cohort, text, skips_wrong=True)) == (0, 0, 9000, 1000)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", " =1", "'=1", "＝1"])
def test_a_cell_that_a_spreadsheet_would_run_gets_an_apostrophe(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


def test_other_cells_stay_as_they_are() -> None:
    assert [safe_cell(value) for value in ("a=1", None, -1.5, 3, "愛子", "")] == [
        "a=1", "", "-1.5", "3", "愛子", "",
    ]  # fmt: skip
    content = b"".join(write_rows([["name", "note"], ["愛子", '=x "y"']]))
    assert content == codecs.BOM_UTF8 + '''name,note\r\n愛子,"'=x ""y"""\r\n'''.encode()
