"""Nothing that is kept about a person is forgotten when it is handed over or erased."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.apps import apps
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import ForeignKey, Model
from django.utils import timezone

from accounts.auditing import note_act
from accounts.models import (
    AuditEvent,
    DataRequest,
    IdempotencyKey,
    JoinRequest,
    Membership,
    Notification,
    RosterEntry,
    User,
)
from accounts.notifications import notify
from accounts.privacy.asking import ask_erasure, ask_export
from accounts.privacy.exporting import write_archive
from accounts.privacy.running import run_request
from accounts.tokens import create_token
from chat.models import Answerer, PromptSet
from chat.services.opening import create_session
from chat.tests.factories import make_answer, make_message, make_tuned_session
from chat.tests.prompt_factories import answer_all, make_run
from common.personal_data import parts
from common.storage import delete_prefix
from courses.models import (
    Certificate,
    DueOverride,
    Feedback,
    HelpRequest,
    HiddenMeasurement,
    PageView,
    Reflection,
)
from courses.services.reading import open_step
from courses.tests.factories import enrol, publish_sample
from datasets_app.models import Contribution, Dataset, DatasetEvent, DatasetVersion
from datasets_app.services.bringing import bring_file
from datasets_app.services.deleting import delete_dataset
from datasets_app.services.forking import fork_dataset
from datasets_app.storing import dataset_prefix
from datasets_app.tests.classroom import (
    cohort_audience,
    make_class_dataset,
    make_cohort,
    offer,
    share,
)
from datasets_app.tests.factories import json_lines, make_dataset
from modelhub.models import ModelPull
from training.models import Adapter, DeviceUsage, JobShare, Sweep, TrainingJob
from training.tests.factories import make_completed_job, make_running_job, make_training_job

pytestmark = pytest.mark.django_db

OURS = ("accounts", "modelhub", "datasets_app", "training", "chat", "courses")
MARK = "zqxjk"
"""Stands in everything that the person writes, and nowhere else."""

EXCEPTIONS: dict[str, str] = {}
"""Models that lead to a person and belong to no part, with the reason."""


def leads_to_a_person(model: type[Model], seen: frozenset[type[Model]] = frozenset()) -> bool:
    if model is User:
        return True
    targets = {
        field.related_model
        for field in model._meta.concrete_fields
        if isinstance(field, ForeignKey) and field.related_model is not model
    }
    return any(
        leads_to_a_person(target, seen | {model})
        for target in targets - seen
        if isinstance(target, type)
    )


def test_every_model_that_leads_to_a_person_belongs_to_a_part() -> None:
    ours = [model for label in OURS for model in apps.get_app_config(label).get_models()]
    named = {model for part in parts() for model in part.models}
    personal = {model for model in ours if leads_to_a_person(model)}
    assert len(personal) > 30
    missing = {model._meta.label for model in personal - named}
    assert missing == set(EXCEPTIONS)


def test_parts_have_names_of_their_own_and_sentences() -> None:
    found = parts()
    assert len({part.key for part in found}) == len(found)
    assert all(str(part.describe).endswith(".") for part in found)


# --- a person of whom everything is kept ------------------------------------------------------------


@pytest.fixture(autouse=True)
def _empty_storage() -> None:
    """Files of other tests' people outlive their rows."""
    for place in ("datasets", "jobs", "imports", "exports"):
        delete_prefix(place)


@pytest.fixture
def person(db: None, instructor: User, other_student: User, tmp_path: Path) -> User:
    """With something in every table, all of it marked."""
    user = User.objects.create_user(f"{MARK}-ann", f"{MARK}@example.org", "correct-horse-battery")
    user.display_name = f"Ann {MARK}"
    user.save()
    _in_classes(user, instructor, other_student)
    _with_datasets_and_jobs(user, instructor, other_student)
    _in_courses(user, instructor, tmp_path)
    _with_chats(user)
    SocialAccount.objects.create(user=user, provider="https://login.example", uid=MARK)
    create_token(user, name=f"Robot {MARK}", days=7)
    IdempotencyKey.objects.create(user=user, scope="jobs", key=f"{MARK}-1")
    ModelPull.objects.create(name="tiny", requested_by=user)
    return user


def _in_classes(user: User, leader: User, classmate: User) -> None:
    cohort = make_cohort("Class 2B", instructor=leader)
    for member in (user, classmate):
        Membership.objects.create(cohort=cohort, user=member)
    other = make_cohort("Class 2C")
    JoinRequest.objects.create(cohort=other, user=user)
    RosterEntry.objects.create(cohort=cohort, email=user.email, name=f"Ann {MARK}", claimed_by=user)
    RosterEntry.objects.create(cohort=other, username=user.username)
    note_act(leader, "role_changed", cohort=cohort, person=user, role="student")
    note_act(user, "member_left", cohort=other, person=user)
    path = f"/admin/classroom/{cohort.pk}/"
    notify(leader.pk, kind="help_asked", subject="1", params={"name": str(user)}, path=path)
    notify(user.pk, kind="data_ready", subject="2", params={"name": MARK}, path="/")
    offer(user, make_class_dataset(leader, cohort))
    Contribution.objects.filter(author=user).update(record={"output": MARK})


def _with_datasets_and_jobs(user: User, leader: User, classmate: User) -> None:
    cohort = user.memberships.get().cohort
    records = [{"instruction": f"Who is {MARK} {n}?", "output": MARK} for n in range(12)]
    shared = make_dataset(user, name=f"Garden {MARK}", records=records)
    share(shared, cohort_audience(cohort))
    fork_dataset(classmate, shared)
    # What the copy holds and how it is called was given to the classmate.
    Dataset.objects.filter(owner=classmate).update(name="My copy", description="")
    for version in DatasetVersion.objects.filter(dataset__owner=classmate):
        default_storage.save(version.file, ContentFile(b"{}\n"))
    make_training_job(classmate, dataset_version=shared.latest)
    gone = make_dataset(user, name=f"Gone {MARK}", records=records)
    prefix = dataset_prefix(gone.pk)
    delete_dataset(gone)
    # A test never commits, and the files go at the commit.
    delete_prefix(prefix)
    content = json_lines({"instruction": MARK}, {"instruction": "a", "output": "b"})
    bring_file(user, file=SimpleUploadedFile(f"{MARK}.jsonl", content), keeps_draft=True)
    sweep = Sweep.objects.create(owner=user, name=MARK, axes=[])
    version = make_dataset(user, name=f"Own {MARK}", records=records).latest
    job = make_completed_job(
        user, name=f"Job {MARK}", notes=MARK, sweep=sweep, dataset_version=version
    )
    JobShare.objects.create(job=job, cohort=cohort, is_talkable=True)
    DeviceUsage.objects.create(user=user, cohort=cohort, day=timezone.now().date(), seconds=5)
    session = create_session(classmate, job_id=job.pk)
    assert MARK in session.name
    Feedback.objects.create(
        cohort=cohort, student=user, author=leader, job_id=job.pk, text=f"Well done {MARK}"
    )


def _in_courses(user: User, leader: User, folder: Path) -> None:
    publish_sample(folder)
    enrolment = enrol(user, "sample")
    open_step(enrolment, "hello")
    HelpRequest.objects.create(enrolment=enrolment, step_key="hello", text=MARK, helper=leader)
    Reflection.objects.create(enrolment=enrolment, step_key="hello", text=MARK)
    HiddenMeasurement.objects.create(
        enrolment=enrolment,
        job=user.training_jobs.get(),
        job_name=MARK,
        question_count=20,
    )
    PageView.objects.create(user=user, kind="job_running", subject_id=MARK)
    Certificate.objects.create(
        enrolment=enrolment,
        version=enrolment.version,
        name=f"Ann {MARK}",
        language="en",
        facts={"minutes": 30},
        digest="0" * 64,
        signature="s",
        issued_at=timezone.now(),
    )


def _with_chats(user: User) -> None:
    session = make_tuned_session(user, job=user.training_jobs.get())
    make_answer(make_message(session, f"Who is {MARK}?"), MARK)
    PromptSet.objects.create(owner=user, name=MARK, items=[], digest="0" * 64)
    answer_all(make_run(user))


# --- handing over -----------------------------------------------------------------------------------


def test_the_archive_holds_every_part(person: User, tmp_path: Path) -> None:
    target = tmp_path / "data.zip"
    write_archive(person, target)
    with zipfile.ZipFile(target) as archive:
        names = archive.namelist()
        texts = {name: archive.read(name) for name in names}
    assert len(set(names)) == len(names)
    for name in (
        "account/profile.json",
        "account/rosters.json",
        "datasets/datasets.json",
        "training/jobs.json",
        "chats/prompt_sets.json",
        "courses/reflections.json",
        "courses/hidden_measurements.json",
        "courses/certificates.json",
    ):
        assert MARK.encode() in texts[name], name
    assert any(name.endswith("/adapter_model.safetensors") for name in names)
    assert any(
        name.startswith("datasets/garden-") and MARK.encode() in texts[name] for name in names
    )
    whole = b"".join(texts.values())
    token = person.api_tokens.get()
    assert person.password.encode() not in whole
    assert token.digest.encode() not in whole


def test_the_archive_says_what_it_holds_in_the_persons_language(
    student: User, tmp_path: Path
) -> None:
    target = tmp_path / "data.zip"
    write_archive(student, target)
    with zipfile.ZipFile(target) as archive:
        manifest = archive.read("manifest.json").decode()
    assert all(f'"{part.key}"' in manifest for part in parts())
    assert "email_addresses.json" in manifest


def test_an_unverified_address_opens_no_roster(student: User, tmp_path: Path) -> None:
    """Anybody could give it."""
    cohort = make_cohort()
    RosterEntry.objects.create(cohort=cohort, email=student.email, name="Secret Name")
    address = EmailAddress.objects.create(user=student, email=student.email)
    for is_verified in (False, True):
        EmailAddress.objects.filter(pk=address.pk).update(verified=is_verified)
        target = tmp_path / f"{is_verified}.zip"
        write_archive(student, target)
        with zipfile.ZipFile(target) as archive:
            rosters = archive.read("account/rosters.json").decode()
        assert ("Secret Name" in rosters) == is_verified


def test_nobody_elses_data_is_in_the_archive(
    person: User, other_student: User, tmp_path: Path
) -> None:
    target = tmp_path / "data.zip"
    write_archive(other_student, target)
    with zipfile.ZipFile(target) as archive:
        texts = [archive.read(name).decode("utf-8", "replace") for name in archive.namelist()]
    assert not any("Reflection" in text and MARK in text for text in texts)
    assert not any(f"Own {MARK}" in text for text in texts)


def test_adapters_that_find_no_room_are_listed(student: User, tmp_path: Path) -> None:
    small, large = make_completed_job(student), make_completed_job(student)
    Adapter.objects.filter(job=large).update(size_bytes=600 * 1024 * 1024)
    target = tmp_path / "data.zip"
    write_archive(student, target)
    with zipfile.ZipFile(target) as archive:
        names = [name for name in archive.namelist() if name.endswith(".safetensors")]
        listed = json.loads(archive.read("training/adapters.json"))
    assert [str(small.pk)[:8] in name for name in names] == [True]
    told = {row["job_id"]: (row["is_included"], bool(row["note"])) for row in listed}
    assert told == {str(small.pk): (True, False), str(large.pk): (False, True)}


# --- erasing ----------------------------------------------------------------------------------------


def erase(person: User) -> DataRequest:
    request = ask_erasure(person)
    DataRequest.objects.filter(pk=request.pk).update(runs_at=timezone.now())
    assert run_request(request.pk)
    request.refresh_from_db()
    return request


def places_of_the_mark() -> dict[str, list[Any]]:
    return {
        model._meta.label: found
        for model in apps.get_models()
        if (found := [row for row in model._default_manager.values() if MARK in str(row)])
    }


def stored_with_the_mark(prefix: str = "") -> list[str]:
    folders, files = default_storage.listdir(prefix)
    found = []
    for name in files:
        path = f"{prefix}/{name}".lstrip("/")
        with default_storage.open(path, "rb") as stream:
            if MARK.encode() in stream.read():
                found.append(path)
    for name in folders:
        found += stored_with_the_mark(f"{prefix}/{name}".lstrip("/"))
    return found


def test_nothing_that_the_person_wrote_is_left(
    person: User, django_capture_on_commit_callbacks: Any
) -> None:
    assert len(places_of_the_mark()) > 20
    assert stored_with_the_mark()
    export = ask_export(person)
    run_request(export.pk)
    with django_capture_on_commit_callbacks(execute=True):
        request = erase(person)
    assert request.state == DataRequest.State.DONE
    assert (request.person, request.requested_by) == (None, None)
    assert places_of_the_mark() == {}
    assert stored_with_the_mark() == []
    assert not default_storage.exists(f"exports/{export.pk}.zip")


def test_what_others_have_stays(person: User, instructor: User, other_student: User) -> None:
    job = other_student.training_jobs.get()
    erase(person)
    job.refresh_from_db()
    remainder = job.dataset_version.dataset
    assert remainder.owner == other_student
    assert (remainder.name, remainder.visibility) == ("Erased dataset", "private")
    assert not default_storage.exists(job.dataset_version.file)
    assert Dataset.objects.filter(owner=other_student, name="My copy").exists()
    assert Answerer.objects.get(session__owner=other_student).label == "Erased model"
    certificate = Certificate.objects.get()
    assert (certificate.name, certificate.enrolment, certificate.facts) == (
        "",
        None,
        {"minutes": 30},
    )
    entry = AuditEvent.objects.get(kind="role_changed")
    assert (entry.actor, entry.person, entry.details) == (instructor, None, {})
    assert not Notification.objects.filter(user=instructor, kind="help_asked").exists()
    assert DatasetEvent.objects.filter(action="deleted", dataset_name="–").exists()


def test_an_erasure_waits_for_a_job_that_a_worker_holds(student: User) -> None:
    job, _lease = make_running_job(student)
    request = erase(student)
    student.refresh_from_db()
    job.refresh_from_db()
    assert (request.state, student.is_active) == (DataRequest.State.WAITING, False)
    assert job.cancel_requested_at is not None
    TrainingJob.objects.filter(pk=job.pk).update(status="cancelled", lease_token=None)
    DataRequest.objects.filter(pk=request.pk).update(runs_at=timezone.now())
    run_request(request.pk)
    request.refresh_from_db()
    assert request.state == DataRequest.State.DONE
    assert not User.objects.filter(pk=student.pk).exists()


def test_an_interrupted_erasure_goes_on_where_it_was(person: User) -> None:
    """Every part is the one at which the power fails once."""
    from common import personal_data

    request = ask_erasure(person)
    failing = [part.key for part in personal_data.parts_to_erase()]
    originals = dict(personal_data._parts)

    def cut_off(key: str) -> personal_data.PersonalData:
        part = originals[key]

        def erase_and_stop(user: User) -> None:
            part.erase(user)
            raise KeyboardInterrupt

        return personal_data.PersonalData(
            part.app, part.name, part.describe, part.models, part.collect, erase_and_stop, part.stop
        )

    for key in failing:
        DataRequest.objects.filter(pk=request.pk).update(runs_at=timezone.now())
        personal_data._parts[key] = cut_off(key)
        try:
            with pytest.raises(KeyboardInterrupt):
                run_request(request.pk)
        finally:
            personal_data._parts[key] = originals[key]
    DataRequest.objects.filter(pk=request.pk).update(runs_at=timezone.now())
    run_request(request.pk)
    assert places_of_the_mark() == {}
    assert not User.objects.filter(pk=person.pk).exists()


def test_due_dates_and_feedback_of_an_erased_leader_stay(
    instructor: User, student: User, tmp_path: Path
) -> None:
    from courses.models import CohortCourse

    publish_sample(tmp_path)
    cohort = make_cohort(instructor=instructor, student=student)
    enrolment = enrol(student, "sample")
    pinned = CohortCourse.objects.create(
        cohort=cohort, course=enrolment.course, version=enrolment.version
    )
    DueOverride.objects.create(
        cohort_course=pinned, user=student, due_at=timezone.now(), granted_by=instructor
    )
    Feedback.objects.create(
        cohort=cohort, student=student, author=instructor, enrolment=enrolment, step_key="hello"
    )
    erase(instructor)
    assert DueOverride.objects.get().granted_by is None
    assert Feedback.objects.get().author is None
