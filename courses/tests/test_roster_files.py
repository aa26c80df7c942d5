"""A roster into a class and out of it, as a file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import AuditEvent, Cohort, RosterEntry, User
from courses.tests.factories import enrol
from courses.tests.roster_class import Role, address, join, make_class, take_sample

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


@pytest.fixture
def cohort(instructor: User, student: User) -> Cohort:
    return make_class(instructor, student)


@pytest.fixture
def client(instructor: User, cohort: Cohort, client_of: SignIn) -> Client:
    return client_of(instructor)


def upload(client: Client, cohort: Cohort, content: bytes) -> str:
    """The preview of a file, and a look that nothing was stored."""
    before = RosterEntry.objects.count()
    file = SimpleUploadedFile("roster.csv", content)
    answer = client.post(address(cohort, "roster_import"), {"file": file})
    assert RosterEntry.objects.count() == before
    return answer.content.decode()


def sealed_in(page: str) -> str:
    found = re.search(r'name="roster" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def test_a_file_is_looked_at_and_then_imported(cohort: Cohort, client: Client) -> None:
    page = upload(
        client, cohort, "メール,氏名,電話\nx@example.org,X<b>,1\nwrong,,\n".encode("cp932")
    )
    assert "X&lt;b&gt;" in page
    assert "電話" in page
    assert "“wrong” is no email address." in page
    sent = {"roster": sealed_in(page)}
    refused = client.post(address(cohort, "roster_import_confirm"), sent)
    assert refused.status_code == 422
    assert 'id="skip-error"' in refused.content.decode()
    assert sealed_in(refused.content.decode()) == sent["roster"]
    again = client.get(address(cohort, "roster_import_confirm"))
    assert again.url == address(cohort, "roster_import")
    done = client.post(address(cohort, "roster_import_confirm"), sent | {"skip": "1"}, follow=True)
    assert "1 person was added or changed" in done.content.decode()
    assert "Expected, not here yet" in done.content.decode()
    again = client.post(address(cohort, "roster_import_confirm"), sent | {"skip": "1"}, follow=True)
    assert "nothing was changed" in again.content.decode()
    entry = RosterEntry.objects.get()
    removed = client.post(address(cohort, "roster_expected_remove", entry.pk), follow=True)
    assert "is not expected any more" in removed.content.decode()
    assert AuditEvent.objects.filter(cohort=cohort).count() == 2


def test_a_preview_serves_its_maker_and_class_alone(
    cohort: Cohort, client: Client, instructor: User, client_of: SignIn
) -> None:
    sealed = sealed_in(upload(client, cohort, b"email\nx@example.org\n"))
    other = make_class(instructor, name="Other")
    second = User.objects.create_user("second")
    join(cohort, second, Role.INSTRUCTOR)
    for who, where, text in (
        (client, cohort, sealed[:-1] + ("A" if sealed[-1] != "A" else "B")),
        (client, other, sealed),
        (client_of(second), cohort, sealed),
        (client, cohort, ""),
    ):
        page = who.post(
            address(where, "roster_import_confirm"), {"roster": text}, follow=True
        ).content.decode()
        assert "The preview is out of date" in page
    assert not RosterEntry.objects.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "The file is empty"), (b"a,b\n1,2\n", "names neither"), (b"x" * 1_100_000, "1 MiB")],
)
def test_a_file_that_is_none_is_told_at_the_field(
    cohort: Cohort, client: Client, content: bytes, words: str
) -> None:
    file = SimpleUploadedFile("roster.csv", content)
    answer = client.post(address(cohort, "roster_import"), {"file": file})
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert client.post(address(cohort, "roster_import"), {}).status_code == 422


def test_a_long_list_of_wrong_lines_is_cut(cohort: Cohort, client: Client) -> None:
    page = upload(client, cohort, b"email\n" + b"wrong\n" * 150)
    assert "The first 100 lines of them" in page
    assert "There is nothing to import." in page


def test_the_roster_is_saved_as_a_file_that_can_be_imported_again(
    cohort: Cohort, client: Client, student: User, tmp_path: Path
) -> None:
    take_sample(cohort, tmp_path)
    enrol(student, "sample")
    student.display_name = '=HYPERLINK("http://evil")'
    student.save()
    RosterEntry.objects.create(cohort=cohort, email="x@example.org", name="X", role="observer")
    answer = client.get(address(cohort, "roster_export"))
    content = b"".join(answer.streaming_content)
    assert answer["Content-Disposition"].startswith("attachment")
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert [(row["username"], row["role"], row["state"]) for row in rows] == [
        ("aiko", "student", "member"),
        ("chiyo", "instructor", "member"),
        ("", "observer", "expected"),
    ]
    assert rows[0]["name"].startswith("'=")
    assert rows[0]["sample_percent"] == "0"
    assert "There is nothing to import." in upload(client, cohort, content)
