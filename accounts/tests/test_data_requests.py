"""A person asks for their data, or for its erasure, and takes that back."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, Cohort, DataRequest, Membership, Notification, User
from accounts.privacy.asking import (
    ask_erasure,
    ask_erasure_of_student,
    ask_export,
    cancel_student_request,
)
from accounts.privacy.exporting import remove_old_exports
from accounts.privacy.running import run_due_requests, run_request
from accounts.tokens import create_token, find_user
from common.errors import ConflictError, NotFoundError
from conftest import PASSWORD

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
PAGE = "/settings/data/"


def cohort_of(leader: User, *students: User, name: str = "Class 2B") -> Cohort:
    cohort = Cohort.objects.create(name=name)
    Membership.objects.create(cohort=cohort, user=leader, role="instructor")
    for student in students:
        Membership.objects.create(cohort=cohort, user=student)
    return cohort


def make_due(request: DataRequest) -> DataRequest:
    DataRequest.objects.filter(pk=request.pk).update(runs_at=timezone.now())
    return request


def ask_and_run(person: User) -> DataRequest:
    request = ask_export(person)
    run_request(request.pk)
    request.refresh_from_db()
    return request


# --- the page ---------------------------------------------------------------------------------------


def test_the_page_says_what_is_kept(student: User, client_of: SignIn) -> None:
    client = client_of(student)
    assert PAGE in client.get(reverse("accounts:settings")).content.decode()
    page = client.get(PAGE).content.decode()
    for sentence in ("training jobs", "certificates", "API tokens", "prompt sets"):
        assert sentence in page
    assert 'id="requests-title"' not in page


@pytest.mark.parametrize("name", ["data", "data_export", "data_erase"])
def test_a_stranger_is_sent_to_sign_in(name: str) -> None:
    address = reverse(f"accounts:{name}")
    assert Client().post(address).url.startswith(reverse("account_login"))


# --- export -----------------------------------------------------------------------------------------


def test_data_is_asked_for_made_and_downloaded(student: User, client_of: SignIn) -> None:
    client = client_of(student)
    assert client.post(reverse("accounts:data_export")).url == PAGE
    request = DataRequest.objects.get()
    assert "being put together" in client.get(PAGE).content.decode()
    assert run_due_requests() == 1
    address = reverse("accounts:data_download", args=[request.pk])
    assert address in client.get(PAGE).content.decode()
    answer = client.get(address)
    assert answer["Content-Disposition"].startswith('attachment; filename="llmlora-aiko-')
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:
        assert "manifest.json" in archive.namelist()
    news = Notification.objects.get(user=student)
    assert (news.kind, news.path) == ("data_ready", PAGE)


@pytest.mark.parametrize(
    ("chosen", "asked_in", "written_in"), [("", "ja", "ja"), ("en", "ja", "en"), ("", "", "en")]
)
def test_the_archive_is_in_the_persons_language(
    student: User, chosen: str, asked_in: str, written_in: str
) -> None:
    User.objects.filter(pk=student.pk).update(language=chosen)
    request = ask_export(student)
    run_request(request.pk, asked_in)
    with (
        default_storage.open(f"exports/{request.pk}.zip") as stream,
        zipfile.ZipFile(stream) as archive,
    ):
        assert json.loads(archive.read("manifest.json"))["language"] == written_in


def test_a_second_export_is_told_to_wait(student: User, client_of: SignIn) -> None:
    ask_export(student)
    page = client_of(student).post(reverse("accounts:data_export"), follow=True)
    assert "being put together already" in page.content.decode()
    assert DataRequest.objects.count() == 1


def test_only_the_person_can_download(
    student: User, other_student: User, instructor: User, client_of: SignIn
) -> None:
    cohort_of(instructor, student)
    request = ask_export(student)
    run_request(request.pk)
    address = reverse("accounts:data_download", args=[request.pk])
    for other in (other_student, instructor):
        assert client_of(other).get(address).status_code == 404
        cancel = reverse("accounts:data_cancel", args=[request.pk])
        assert client_of(other).post(cancel).status_code == 404


def test_an_archive_is_removed_after_a_week(student: User, client_of: SignIn) -> None:
    request = ask_export(student)
    run_request(request.pk)
    request.refresh_from_db()
    path = request.path
    assert remove_old_exports() == 0
    old = timezone.now() - timedelta(days=7, minutes=1)
    DataRequest.objects.update(finished_at=old)
    address = reverse("accounts:data_download", args=[request.pk])
    assert client_of(student).get(address).status_code == 404
    assert remove_old_exports() == 1
    assert remove_old_exports() == 0
    assert not default_storage.exists(path)
    page = client_of(student).get(PAGE).content.decode()
    assert " · removed" in " ".join(page.split())
    assert address not in page


def test_a_new_archive_replaces_the_old_one(student: User) -> None:
    first, second = (ask_and_run(student) for _turn in range(2))
    assert not default_storage.exists(f"exports/{first.pk}.zip")
    assert default_storage.exists(f"exports/{second.pk}.zip")
    first.refresh_from_db()
    assert (first.state, first.path) == ("done", "")


def test_an_export_that_fails_is_tried_again(
    student: User, settings: LazySettings, tmp_path: object
) -> None:
    request = ask_export(student)
    home = settings.LLMLORA_HOME
    broken = type(home)(home.root / "manage.py" / "nowhere")
    (home.root / "manage.py").write_text("a file in place of a folder")
    settings.LLMLORA_HOME = broken
    run_request(request.pk)
    request.refresh_from_db()
    assert request.state == DataRequest.State.FAILED
    assert request.runs_at > timezone.now() + timedelta(minutes=50)
    settings.LLMLORA_HOME = home
    run_request(make_due(request).pk)
    request.refresh_from_db()
    assert request.state == DataRequest.State.DONE


# --- erasure ----------------------------------------------------------------------------------------


def test_an_erasure_needs_the_password(student: User, client_of: SignIn) -> None:
    client = client_of(student)
    refused = client.post(reverse("accounts:data_erase"), {"password": "wrong"})
    assert refused.status_code == 422
    assert "This is not your password" in refused.content.decode()
    assert client.post(reverse("accounts:data_erase"), {}).status_code == 422
    assert not DataRequest.objects.exists()
    accepted = client.post(reverse("accounts:data_erase"), {"password": PASSWORD})
    assert accepted.url == PAGE
    request = DataRequest.objects.get()
    assert timezone.now() + timedelta(days=6, hours=23) < request.runs_at
    assert "Keep my account" in client.get(PAGE).content.decode()


def test_without_a_password_the_user_name_is_typed(student: User, client_of: SignIn) -> None:
    student.set_unusable_password()
    student.save()
    client = client_of(student)
    refused = client.post(reverse("accounts:data_erase"), {"user_name": "ben"})
    assert refused.status_code == 422
    assert 'value="ben"' in refused.content.decode()
    assert client.post(reverse("accounts:data_erase"), {"user_name": "aiko"}).status_code == 302
    assert DataRequest.objects.get().kind == "erase"


def test_passwords_can_not_be_guessed(student: User, client_of: SignIn) -> None:
    client = client_of(student)
    for _try in range(10):
        client.post(reverse("accounts:data_erase"), {"password": "wrong"})
    answer = client.post(reverse("accounts:data_erase"), {"password": PASSWORD})
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0
    assert not DataRequest.objects.exists()


def test_an_erasure_is_taken_back_in_time(student: User, client_of: SignIn) -> None:
    request = ask_erasure(student)
    client = client_of(student)
    cancel = reverse("accounts:data_cancel", args=[request.pk])
    assert client.post(cancel).url == PAGE
    assert run_due_requests() == 0
    make_due(request)
    assert run_due_requests() == 0
    student.refresh_from_db()
    assert student.is_active
    assert client.post(cancel).url == PAGE
    assert client.post(reverse("accounts:data_cancel", args=[uuid4()])).status_code == 404


def test_what_has_begun_can_not_be_taken_back(student: User, client_of: SignIn) -> None:
    request = ask_erasure(student)
    DataRequest.objects.update(done=["begun"])
    client = client_of(student)
    answer = client.post(reverse("accounts:data_cancel", args=[request.pk]), follow=True)
    assert "has begun or is over" in answer.content.decode()
    request.refresh_from_db()
    assert request.state == DataRequest.State.WAITING


def test_it_begins_after_a_week_and_not_before(student: User) -> None:
    request = ask_erasure(student)
    assert not run_request(request.pk)
    assert User.objects.filter(pk=student.pk).exists()
    assert run_request(make_due(request).pk)
    assert not User.objects.filter(pk=student.pk).exists()


def test_nobody_gets_in_any_more(student: User, client_of: SignIn) -> None:
    client = client_of(student)
    _token, plain = create_token(student, name="robot", days=7)
    run_request(make_due(ask_erasure(student)).pk)
    assert client.get(PAGE).url.startswith(reverse("account_login"))
    assert find_user(plain) is None


def test_an_erasure_is_asked_for_once(student: User) -> None:
    ask_erasure(student)
    with pytest.raises(ConflictError, match="already"):
        ask_erasure(student)


def test_the_last_superuser_stays(student: User, other_student: User) -> None:
    User.objects.filter(pk=student.pk).update(is_superuser=True)
    student.refresh_from_db()
    with pytest.raises(ConflictError, match="only account"):
        ask_erasure(student)
    User.objects.filter(pk=other_student.pk).update(is_superuser=True)
    request = ask_erasure(student)
    User.objects.filter(pk=other_student.pk).update(is_active=False)
    run_request(make_due(request).pk)
    request.refresh_from_db()
    student.refresh_from_db()
    assert (request.state, student.is_active) == (DataRequest.State.FAILED, True)


# --- asked by a leader ------------------------------------------------------------------------------


def test_a_leader_asks_and_the_student_is_told(student: User, instructor: User) -> None:
    cohort = cohort_of(instructor, student)
    request = ask_erasure_of_student(instructor, cohort, student)
    assert (request.cohort, request.requested_by, request.person) == (cohort, instructor, student)
    assert request.runs_at > timezone.now() + timedelta(days=6)
    entry = AuditEvent.objects.get()
    assert (entry.kind, entry.actor, entry.person) == ("data_erase_asked", instructor, student)
    assert Notification.objects.get(user=student).kind == "erasure_asked"


def test_the_student_takes_back_what_a_leader_asked(
    student: User, instructor: User, client_of: SignIn
) -> None:
    cohort = cohort_of(instructor, student)
    request = ask_erasure_of_student(instructor, cohort, student)
    client = client_of(student)
    assert "Class 2B" in client.get(PAGE).content.decode()
    client.post(reverse("accounts:data_cancel", args=[request.pk]))
    request.refresh_from_db()
    assert request.state == DataRequest.State.CANCELLED
    entry = AuditEvent.objects.get(kind="data_request_cancelled")
    assert (entry.actor, entry.cohort) == (student, cohort)
    assert not Notification.objects.filter(user=student).exists()


def test_a_leader_takes_back_what_was_asked_in_the_class(student: User, instructor: User) -> None:
    cohort = cohort_of(instructor, student)
    request = ask_erasure_of_student(instructor, cohort, student)
    other = cohort_of(instructor, name="Class 2C")
    with pytest.raises(NotFoundError):
        cancel_student_request(instructor, other, request.pk)
    cancel_student_request(instructor, cohort, request.pk)
    request.refresh_from_db()
    assert request.state == DataRequest.State.CANCELLED


def test_a_students_own_request_is_not_the_leaders_to_take_back(
    student: User, instructor: User
) -> None:
    cohort = cohort_of(instructor, student)
    request = ask_erasure(student)
    with pytest.raises(NotFoundError):
        cancel_student_request(instructor, cohort, request.pk)


def test_who_is_in_somebody_elses_class_can_only_be_removed(
    student: User, other_student: User, instructor: User
) -> None:
    cohort = cohort_of(instructor, student)
    cohort_of(other_student, student, name="Chess club")
    with pytest.raises(ConflictError, match="remove this person from the class"):
        ask_erasure_of_student(instructor, cohort, student)
    Membership.objects.filter(user=other_student).update(user=instructor)
    assert ask_erasure_of_student(instructor, cohort, student)


@pytest.mark.parametrize("field", ["is_staff", "is_superuser"])
def test_who_looks_after_the_installation_is_not_a_leaders_to_erase(
    student: User, instructor: User, field: str
) -> None:
    cohort = cohort_of(instructor, student)
    User.objects.filter(pk=student.pk).update(**{field: True})
    with pytest.raises(ConflictError):
        ask_erasure_of_student(instructor, cohort, student)


def test_who_is_no_student_of_the_class_is_not_there(
    student: User, other_student: User, instructor: User
) -> None:
    cohort = cohort_of(instructor, student)
    for person in (other_student, instructor):
        with pytest.raises(NotFoundError):
            ask_erasure_of_student(instructor, cohort, person)
