"""Hidden questions are measured by a real engine and come out nowhere: row, file, log, page, API, export or error."""

from __future__ import annotations

import logging
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.test import Client

from accounts.models import Cohort, Membership, User
from accounts.privacy.exporting import write_archive
from courses.execution.measuring import measure_waiting
from courses.execution.verifying import verify_step
from courses.hidden_questions import hidden_questions
from courses.models import CohortCourse, Enrolment, HiddenMeasurement
from courses.starter import LANGUAGES, hidden_records, starter_levels, starter_records
from courses.tests.measuring import STEP, TINY, ask, enrol_in_measuring
from datasets_app.intake.quality import normalised
from engine.tests.factories import make_tiny_base_model
from modelhub.execution import close_engine
from modelhub.models import BaseModel
from modelhub.services import sync_base_models
from training.execution import run_waiting_jobs
from training.models import TrainingJob
from training.tests.factories import make_completed_job, make_training_job

pytestmark = pytest.mark.django_db(transaction=True)

MOST_PAGES = 40
LINK = re.compile(r'(?:href|hx-get|action)="(/[^"#]*)')


def secrets() -> set[str]:
    """Every hidden question, and every hidden answer that no starter set shows anyway."""
    shown, kept = set(), set()
    for level in starter_levels():
        for language in LANGUAGES:
            for part in ("train", "eval"):
                for record in starter_records(level, part, language):
                    shown |= {normalised(text) for text in record.values()}
            for record in hidden_records(level, language):
                kept |= {normalised(text) for text in record.values()}
    return kept - shown


SECRETS = secrets()


def assert_keeps_secrets(text: str, where: str) -> None:
    said = normalised(text)
    told = [secret for secret in SECRETS if secret in said]
    assert not told, f"{where} tells {told[:1]}"


@pytest.fixture(scope="module", autouse=True)
def _engine() -> Iterator[None]:
    make_tiny_base_model(settings.LLMLORA_HOME.local_models / TINY, context_length=2048)
    yield
    close_engine()


@pytest.fixture
def measured(
    tmp_path: Path,
    student: User,
    instructor: User,
    caplog: pytest.LogCaptureFixture,
) -> Enrolment:
    """With one measurement that came out, and one whose adapter can not be read."""
    caplog.set_level(logging.DEBUG)
    enrolment = enrol_in_measuring(student, tmp_path)
    cohort = Cohort.objects.create(name="Class")
    for person, role in ((student, "student"), (instructor, "instructor")):
        Membership.objects.create(cohort=cohort, user=person, role=role)
    CohortCourse.objects.create(cohort=cohort, course=enrolment.course, version=enrolment.version)
    Enrolment.objects.filter(pk=enrolment.pk).update(cohort=cohort)
    enrolment.refresh_from_db()
    sync_base_models()
    tiny = BaseModel.objects.get(name=TINY)
    trained = make_training_job(
        student,
        base_model=tiny,
        lora_config={"r": 2, "alpha": 4},
        training_config={"num_epochs": 2, "batch_size": 4, "max_length": 128},
    )
    run_waiting_jobs("worker")
    broken = make_completed_job(student, base_model=tiny)
    for job in (trained, broken):
        ask(enrolment, TrainingJob.objects.get(pk=job.pk))
        measure_waiting()
    verify_step(enrolment, STEP, is_try=True)
    return enrolment


def test_numbers_come_out_and_no_text(
    measured: Enrolment,
    instructor: User,
    client_of: Callable[[User], Client],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    assert len(SECRETS) >= 2 * len(hidden_questions(3, "en"))
    broken, done = HiddenMeasurement.objects.all()
    assert (done.status, broken.status) == ("completed", "failed")
    assert broken.error_code == "adapter_unusable"
    assert done.tuned_loss is not None
    assert done.base_loss is not None
    assert done.gain_low is not None
    assert done.tuned_loss != done.base_loss
    assert done.gain_low <= done.base_loss - done.tuned_loss

    for model in apps.get_models():
        rows = model._default_manager.values_list()
        assert_keeps_secrets("\n".join(map(str, rows)), f"the table {model._meta.label}")
    assert_keeps_secrets(caplog.text, "the log of the worker")
    engine_log = settings.LLMLORA_HOME.logs / "engine.log"
    assert_keeps_secrets(engine_log.read_text(encoding="utf-8"), "the log of the engine")
    target = tmp_path / "data.zip"
    write_archive(measured.user, target)
    with zipfile.ZipFile(target) as archive:
        assert "courses/hidden_measurements.json" in archive.namelist()
        for name in archive.namelist():
            assert_keeps_secrets(archive.read(name).decode(errors="replace"), name)
    for person in (measured.user, instructor):
        client = client_of(person)
        pages = crawl(client)
        assert any(f"/steps/{STEP}/" in path for path in pages) or person is instructor
        for path, text in pages.items():
            assert_keeps_secrets(text, path)
        for path, text in api_answers(client).items():
            assert_keeps_secrets(text, path)


def crawl(client: Client) -> dict[str, str]:
    """Pages by their paths, of what can be reached from the first one; lessons and measurements first."""
    found: dict[str, str] = {}
    first = ["/", f"/courses/sample/steps/{STEP}/", f"/courses/sample/steps/{STEP}/measuring/"]
    first += ["/courses/starter-datasets/", "/admin/", "/chat/prompt-sets/"]
    waiting = first + [f"/admin/courses/hiddenmeasurement/{row}/change/" for row in ids()]
    while waiting and len(found) < MOST_PAGES:
        path = waiting.pop(0)
        if path in found:
            continue
        response = client.get(path, follow=True)
        content = (
            b"".join(response.streaming_content)  # type: ignore[arg-type]
            if response.streaming
            else response.content
        )
        found[path] = content.decode(errors="replace")
        if response.headers.get("Content-Type", "").startswith("text/html"):
            links = [link.replace("&amp;", "&") for link in LINK.findall(found[path])]
            waiting += [link for link in links if not link.startswith(("/static/", "/accounts/"))]
    return found


def ids() -> list[str]:
    return [str(pk) for pk in HiddenMeasurement.objects.values_list("pk", flat=True)]


def api_answers(client: Client) -> dict[str, str]:
    """Every call that reads and takes nothing but what a course's pages name."""
    described = client.get("/api/openapi.json").json()["paths"]
    names = {"slug": "sample", "key": STEP, "run_id": ids()[0], "job_id": ids()[0]}
    answers = {}
    for path, calls in described.items():
        if "get" not in calls:
            continue
        address = re.sub(r"\{(\w+)\}", lambda part: names.get(part[1], ids()[0]), path)
        answers[address] = client.get(address).content.decode(errors="replace")
    forged = {"job_id": ids()[0]}
    address = f"/api/courses/sample/steps/{STEP}/hidden-measurements"
    refused = client.post(address, forged, content_type="application/json")
    return answers | {f"POST {address}": refused.content.decode()}
